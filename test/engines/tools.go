package engines

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// needed are the programs that a run or its dockerd starts.
var needed = []string{
	"sh", "mount", "sleep", "ip", "nsenter", // the boxes
	"dockerd", "containerd", "containerd-shim-runc-v2", "runc", "docker-proxy", "iptables",
	"docker-registry", "busybox",
}

// tools says where programs are, and which environment they get. That environment has nothing of the environment of the
// person who runs the tests: a proxy set there would stand between the engines and their registry.
type tools struct {
	paths map[string]string
	env   []string
}

// frugal makes Go programs collect garbage less often. For each container, dockerd starts itself several times to do
// little in a namespace. With this setting each such start took 55 ms of a processor instead of 84.
var frugal = []string{"GOGC=400"}

func (t *tools) path(name string) string { return t.paths[name] }

// with returns the same tools with more variables in the environment.
func (t *tools) with(env ...string) *tools {
	return &tools{paths: t.paths, env: slices.Concat(t.env, env)}
}

var findTools = sync.OnceValues(func() (*tools, error) {
	root := os.Getenv("ENGINES_ROOT")
	var dirs []string
	if root != "" {
		dirs = append(dirs, under(root, "usr/sbin", "usr/bin", "sbin", "bin")...)
	}
	dirs = append(dirs, filepath.SplitList(os.Getenv("PATH"))...)
	dirs = append(dirs, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	t := &tools{paths: map[string]string{}, env: append([]string{"PATH=" + strings.Join(dirs, ":")}, frugal...)}
	if root != "" {
		for name, in := range map[string][]string{ // with an empty variable, iptables finds no extensions at all
			"LD_LIBRARY_PATH": under(root, "usr/lib/*-linux-gnu", "lib/*-linux-gnu"),
			"XTABLES_LIBDIR":  under(root, "usr/lib/*-linux-gnu/xtables"),
		} {
			if len(in) > 0 {
				t.env = append(t.env, name+"="+strings.Join(in, ":"))
			}
		}
	}
	var missing []string
	for _, name := range needed {
		if t.paths[name] = lookUp(dirs, name); t.paths[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("not on PATH: %s", strings.Join(missing, ", "))
	}
	return t, static(t.paths["busybox"])
})

// under returns the directories below root that match the patterns.
func under(root string, patterns ...string) []string {
	var out []string
	for _, p := range patterns {
		found, _ := filepath.Glob(filepath.Join(root, p)) // the patterns are well formed
		out = append(out, found...)
	}
	return out
}

func lookUp(dirs []string, name string) string {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// static returns an error if a busybox is linked to libraries, because an image made of that busybox does not have
// them.
func static(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s is not static: busybox-static is needed", path)
	}
	return nil
}
