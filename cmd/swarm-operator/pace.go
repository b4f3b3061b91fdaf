package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

// paceVariable names the hidden setting that shortens waits in the project's own tests: the times of the lease, the
// interval between looks at a source, and the patience with an engine that is useless or sends no events. It is not a
// flag, and not documented for users. All instances on a swarm must have the same pace, or two of them may act at once.
const paceVariable = "SWARM_OPERATOR_TEST_PACE"

// readPace returns the number that these times are divided by: 1 unless a test says otherwise.
func readPace() (float64, error) {
	text := os.Getenv(paceVariable)
	if text == "" {
		return 1, nil
	}
	p, err := strconv.ParseFloat(text, 64)
	if err != nil || !(p >= 1 && p <= 10) { // this also refuses NaN
		return 1, fmt.Errorf("%s: %q is not a number from 1 to 10", paceVariable, text)
	}
	return p, nil
}

// pace returns the same number, after [configure] has checked it.
func pace() float64 {
	p, _ := readPace()
	return p
}

// pollInterval is how often a source is asked for news. 0 means the default of package git.
func pollInterval() time.Duration {
	if pace() == 1 {
		return 0
	}
	return 2 * time.Second
}

// scaled returns a time divided by the pace.
func scaled(d time.Duration) time.Duration { return time.Duration(float64(d) / pace()) }
