package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"

	"github.com/moby/sys/atomicwriter"
)

// record is what a sandbox keeps about itself in its directory, in addition to the disks of its machines.
type record struct {
	Port     uint16          `json:"port"`
	Made     map[string]int  `json:"made"` // number of machines made so far by role, so that no name is used twice
	Machines []machineRecord `json:"machines"`
	Storage  bool            `json:"storage,omitempty"`
}

type machineRecord struct {
	Name   string            `json:"name"`
	Role   string            `json:"role"`
	ID     string            `json:"id"`
	Addr   netip.Addr        `json:"addr"`
	Labels map[string]string `json:"labels,omitempty"`
	Killed bool              `json:"killed,omitempty"`
}

func recordPath(dir string) string { return filepath.Join(dir, "sandbox.json") }

func loadRecord(dir string) (*record, error) {
	raw, err := os.ReadFile(recordPath(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &record{}
	if err := json.Unmarshal(raw, r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", recordPath(dir), err)
	}
	return r, nil
}

// save writes the record. The caller holds s.mu.
func (s *Sandbox) save() error {
	r := record{Port: s.port, Made: s.made, Storage: s.storage.offered}
	for _, m := range s.machines {
		m.mu.Lock()
		r.Machines = append(r.Machines, machineRecord{m.name, m.role, m.id, m.addr, m.labels, m.killed})
		m.mu.Unlock()
	}
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return atomicwriter.WriteFile(recordPath(s.dir), raw, 0o600)
}

// lockDir makes this process the only one that runs a sandbox from dir. It fails if another one does.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("a sandbox already runs from %s; end it, or choose another directory", dir)
		}
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	return f, nil
}
