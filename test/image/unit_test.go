package image

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The units for systemd are checked by systemd itself if there is one, and always read line by line.
func TestUnitFile(t *testing.T) {
	args := unit(t, "swarm-operator.service")
	binary, dir := file(built(t), ""), t.TempDir()
	// The program that the unit starts reads the file: it names a value that no flag can have.
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte("sources: [{location: /nowhere, mode: nonsense}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := string(readFile(t, deployFile(t, "swarm-operator.service")))
	for _, line := range shared {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("it does not say %s", line)
		}
	}
	start := exec.CommandContext(t.Context(), binary, strings.Fields(strings.ReplaceAll(args, "${CREDENTIALS_DIRECTORY}", dir))...)
	if out, err := start.CombinedOutput(); err == nil || !strings.Contains(string(out), `sources[0].mode: "nonsense"`) {
		t.Errorf("%s says %s, %v", args, out, err)
	}
}

// shared are settings that both units have: they keep files in the same directory, so they must be the same user.
var shared = []string{"StateDirectory=swarm-operator", "StateDirectoryMode=0700", "User=swarm-operator", "UMask=0077"}

func TestUnitFileOfTheUnlockHelper(t *testing.T) {
	args := unit(t, "swarm-operator-unlock.service")
	// The ring is in the directory that systemd makes for it.
	help, err := exec.CommandContext(t.Context(), file(built(t), ""), append(strings.Fields(args), "--help")...).CombinedOutput()
	if err != nil || !strings.Contains(string(help), `(default "/var/lib/swarm-operator/keys")`) {
		t.Errorf("%s says %s, %v", args, help, err)
	}
	text := string(readFile(t, deployFile(t, "swarm-operator-unlock.service")))
	for _, line := range shared {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("it does not say %s", line)
		}
	}
}

// unit checks a unit file and returns the arguments of the program that it starts.
func unit(t *testing.T, name string) string {
	t.Helper()
	text := string(readFile(t, deployFile(t, name)))
	settings, section := map[string]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		key, value, assigned := strings.Cut(line, "=")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		case assigned && section != "" && key == strings.TrimSpace(key):
			if _, twice := settings[section+"."+key]; twice {
				t.Errorf("%s is set twice", key)
			}
			settings[section+"."+key] = value
		default:
			t.Errorf("%q is neither a section nor a setting", line)
		}
	}
	program, args, _ := strings.Cut(settings["Service.ExecStart"], " ")
	if program != "/usr/local/bin/swarm-operator" || settings["Service.DynamicUser"] != "yes" || settings["Service.NoNewPrivileges"] != "yes" || settings["Service.CapabilityBoundingSet"] != "" {
		t.Errorf("it runs %s with %v", program, settings)
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Log("there is no systemd-analyze")
		return args
	}
	unit := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(unit, []byte(strings.ReplaceAll(text, program, file(built(t), ""))), 0o600); err != nil {
		t.Fatal(err)
	}
	verify := exec.CommandContext(t.Context(), analyze, "verify", "--man=no", unit)
	if out, err := verify.CombinedOutput(); err != nil || strings.Contains(string(out), fmt.Sprintf("%s:", filepath.Base(unit))) {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	return args
}
