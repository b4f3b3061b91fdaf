// Package harness is shared by the end-to-end scenarios, the demo and the benchmark. It builds the commands, starts
// them as processes, stands between them and an engine, and makes git repositories. It knows the operator only from
// outside: its flags, its output, its HTTP answers and its calls.
package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/swarm-operator/swarm-operator/test/lag"
)

// Build compiles commands of this module, such as swarm-operator, into dir. They are static, like those of a release.
func Build(ctx context.Context, dir string, commands ...string) error {
	root, err := Root(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("building %s: %w", strings.Join(commands, ", "), err)
	}
	for _, c := range commands {
		// Of what go run has linked it keeps the result, and of what go build has linked it does not.
		cmd := exec.CommandContext(ctx, "go", "run", "-trimpath", "-ldflags", "-s -w -X main.release=test", "-exec", "cp", "./cmd/"+c, filepath.Join(dir, c))
		cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", c, err, out)
		}
	}
	return nil
}

// Root returns the directory of this module. It fails outside of the module.
func Root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for the module: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if mod == "" || mod == os.DevNull {
		return "", errors.New("asking go for the module: not within one")
	}
	return filepath.Dir(mod), nil
}

// Artifacts returns a directory for what a test keeps. It is below ARTIFACTS, or otherwise below .artifacts in this
// module, which git ignores.
func Artifacts(ctx context.Context, suite, test string) (string, error) {
	root := os.Getenv("ARTIFACTS")
	if root == "" {
		module, err := Root(ctx)
		if err != nil {
			return "", err
		}
		root = filepath.Join(module, ".artifacts")
	}
	return filepath.Join(root, suite, strings.NewReplacer("/", ".", " ", "_").Replace(test)), nil
}

// Until calls check repeatedly until it returns nil. It fails with check's last error when more than within has
// passed, in machine time (see package lag). The longer it waits, the less often it calls, because engines do little
// else if many tests each ask them a hundred times a second.
func Until(ctx context.Context, within time.Duration, check func() error) error {
	lag.Start()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return nil
		}
		passed := lag.Since(began)
		if ctx.Err() != nil || passed.Machine > within {
			return fmt.Errorf("not within %s (%s, on a machine %.1f times slower than a quiet one): %w", within, passed.Wall.Round(time.Millisecond), passed.Slowdown(), err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(max(passed.Wall/10, 10*time.Millisecond), 100*time.Millisecond)):
		}
	}
}
