package engines

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// The name of a run is eng-PID-START-RANDOM, after the process that it belongs to. Its directory and its cgroups have
// that name, and its processes have it in their environment. So whatever is found of a run tells whether its process is
// alive.
var runName = regexp.MustCompile(`^eng-(\d+)-(\d+)-\d+$`)

func isRun(name string) bool { return runName.MatchString(name) }

// dead reports whether the process that a run belongs to has ended.
func dead(run string) bool {
	m := runName.FindStringSubmatch(run)
	if m == nil {
		return false // it is no run of ours
	}
	pid, _ := strconv.Atoi(m[1])                // digits
	start, _ := strconv.ParseUint(m[2], 10, 64) // digits
	return !process{pid, start}.alive()
}

// newRun makes the directory of a run.
func newRun() (dir string, err error) {
	self, ok := processOf(os.Getpid())
	if !ok {
		return "", errors.New("starting engines: /proc does not know this process")
	}
	for _, own := range []string{"/run", "/etc", "/opt", "/var/lib"} {
		if tmp := filepath.Clean(os.TempDir()) + "/"; strings.HasPrefix(tmp, own+"/") {
			return "", fmt.Errorf("starting engines: TMPDIR is in %s, of which every node has its own", own)
		}
	}
	return os.MkdirTemp("", fmt.Sprintf("eng-%d-%d-", self.PID, self.Start))
}

// manifest lists the boxes of a run in a file, each by its first process. If that process ends, everything in the box
// ends.
type manifest struct {
	path string

	mu    sync.Mutex
	boxes []process
}

func manifestOf(dir string) *manifest { return &manifest{path: filepath.Join(dir, "boxes.json")} }

func (m *manifest) add(b *box) error {
	p, ok := processOf(b.pid())
	if !ok {
		return fmt.Errorf("box %s has ended", b.name)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.boxes = slices.DeleteFunc(m.boxes, func(p process) bool { return !p.alive() })
	m.boxes = append(m.boxes, p)
	text, err := json.Marshal(m.boxes)
	if err != nil {
		return err
	}
	if err := os.WriteFile(m.path+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(m.path+".new", m.path) // so that the file is never half written
}

// read returns the first processes that the file lists. It returns none if there is no file.
func (m *manifest) read() ([]process, error) {
	text, err := os.ReadFile(m.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var boxes []process
	if err := json.Unmarshal(text, &boxes); err != nil {
		return nil, fmt.Errorf("reading %s: %w", m.path, err)
	}
	return boxes, nil
}
