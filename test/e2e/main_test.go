package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/swarm-operator/swarm-operator/test/harness"
)

var (
	idlePeriod  = flag.Duration("idle", 10*time.Second, "how long an operator with nothing to do is watched")
	full        = flag.Bool("full", os.Getenv("E2E_FULL") != "", "run every scenario on every kind of swarm, disturb each call in each way, at the times of production (E2E_FULL)")
	rounds      = flag.Int("rounds", 0, "how often one of three operators is disturbed while it acts; 0 is each way once with -full, and otherwise every second way")
	watchPeriod = flag.Duration("watch", 10*time.Second, "how long a failed want is watched for being written again")
)

// binary is the path of the operator under test.
var binary = os.Getenv("E2E_BINARY")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if err := checkSwarm(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	leaveOut()
	// The scenarios mostly wait, so more of them than there are processors may run side by side, but not so many that
	// each is late. Real engines have more to do, and in the full run both kinds of swarm share the processors.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		sideBySide := map[string]string{onSandbox: "6", onEngines: "3"}
		if *full {
			sideBySide = map[string]string{onSandbox: "4", onEngines: "2"}
		}
		_ = parallel.Value.Set(sideBySide[*swarmKind])
	}
	if binary == "" {
		dir, err := os.MkdirTemp("", "e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		if err := harness.Build(context.Background(), dir, "swarm-operator"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		binary = filepath.Join(dir, "swarm-operator")
	}
	code := m.Run()
	if err := swarms.close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}
