//go:build linux

package files

import (
	"path/filepath"
	"testing"
)

func TestWhatARestartEmpties(t *testing.T) {
	for path, want := range map[string]bool{"/dev/shm/key": true, "/proc/key": false, "/sys/key": false} {
		if got, err := Volatile(path); err != nil || got != want {
			t.Errorf("%s: %t, %v; want %t", path, got, err, want)
		}
	}
	if _, err := Volatile(filepath.Join(t.TempDir(), "gone", "key")); err == nil {
		t.Error("a directory that is not there has no error")
	}
}
