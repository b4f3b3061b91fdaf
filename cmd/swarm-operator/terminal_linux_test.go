package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo-terminal of a given width. What is written to screen can be read from other.
func openTerminal(t *testing.T, width int) (screen, other *os.File) {
	t.Helper()
	other, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: " + err.Error())
	}
	t.Cleanup(func() { _ = other.Close() })
	number, err := unix.IoctlGetInt(int(other.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(other.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		screen, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(width)})
	}
	if err != nil {
		t.Skip("needs a pseudo-terminal: " + err.Error())
	}
	return screen, other
}

func TestTerminalHasColourAndWidth(t *testing.T) {
	for name, c := range map[string]struct {
		env  map[string]string
		want bool
	}{
		"as it is":        {nil, true},
		"NO_COLOR":        {map[string]string{"NO_COLOR": "1"}, false},
		"a dumb terminal": {map[string]string{"TERM": "dumb"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TERM", "xterm")
			t.Setenv("NO_COLOR", "")
			for k, v := range c.env {
				t.Setenv(k, v)
			}
			screen, other := openTerminal(t, 57)
			if got := screenOf(newRoot(screen, screen), screen); got.Width != 57 || got.Color != c.want {
				t.Errorf("the screen is %+v", got)
			}
			run(t.Context(), []string{"validate", "--source", t.TempDir()}, screen, io.Discard)
			text := make([]byte, 4096)
			n, err := other.Read(text)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(text[:n]); !strings.Contains(got, "no manifests") {
				t.Errorf("it prints %q", got)
			}
			run(t.Context(), []string{"nonsense"}, io.Discard, screen)
			if n, err = other.Read(text); err != nil {
				t.Fatal(err)
			}
			if got := string(text[:n]); strings.Contains(got, "\x1b[31merror:\x1b[0m") != c.want {
				t.Errorf("it prints %q", got)
			}
		})
	}
}
