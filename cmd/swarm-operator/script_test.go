package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/swarm-operator/swarm-operator/sandbox"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"swarm-operator": func() {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}})
}

// TestScripts are the command line's specification. They share one swarm, each with a source name of its own.
func TestScripts(t *testing.T) {
	sb, err := sandbox.Start(t.Context(), sandbox.Options{Managers: 1, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("DOCKER_HOST", sb.Host("manager-1"))
			e.Setenv("WORKER", sb.Host("worker-1"))
			e.Setenv("DOCKER_CONFIG", e.WorkDir)
			e.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			for _, who := range []string{"AUTHOR", "COMMITTER"} {
				e.Setenv("GIT_"+who+"_NAME", "a")
				e.Setenv("GIT_"+who+"_EMAIL", "a@example.org")
			}
			return nil
		},
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
