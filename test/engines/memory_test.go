package engines

import (
	"fmt"
	"os"
	"strings"
)

// memory returns how much memory the processes of a run use together. Each page counts once.
func memory(run string) int {
	sum := 0
	for _, pid := range pids() {
		if runOf(pid) != run {
			continue
		}
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid)) // it may have ended
		for line := range strings.Lines(string(text)) {
			kb := 0
			if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kb); n == 1 {
				sum += kb << 10
			}
		}
	}
	return sum
}
