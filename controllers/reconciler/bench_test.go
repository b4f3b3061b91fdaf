package reconciler

import (
	"fmt"
	"testing"

	"github.com/go-logr/logr"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/apply"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/observe"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/test/small"
)

const everyday = `apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: %s, labels: {tier: back}}
spec:
  image: registry.example.com/team/app:1.4
  command: [/bin/app, --listen, ":8080"]
  replicas: 0
  environment: {LOG_LEVEL: info, REGION: eu-1, SERVICE: %[1]s}
  healthcheck: {test: [CMD, /bin/app, ping], interval: 10s, retries: 3}
  resources: {limits: {cpus: "0.5", memory: 256MiB}, reservations: {memory: 64MiB}}
  placement: {constraints: [node.role == manager]}
  updateConfig: {parallelism: 1, delay: 5s, order: start-first, failureAction: rollback}
`

// manifestsOf returns the manifests of n services, in files of 500.
func manifestsOf(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files[fmt.Sprintf("%d.yaml", i/500)] += fmt.Sprintf(everyday+"---\n", fmt.Sprintf("app-%05d", i))
	}
	return files
}

// steady returns a reconciler of a swarm that is as its source says.
func steady(b testing.TB, text string) *Reconciler {
	b.Helper()
	return steadyIn(b, map[string]string{"all.yaml": text})
}

// steadyIn is steady for several files, by name.
func steadyIn(b testing.TB, files map[string]string) *Reconciler {
	b.Helper()
	source := small.Source(b, files)
	r := New(Options{
		Engine: small.Engine(b, small.Swarm(b), nil), Log: logr.Discard(),
		Revisions: revisions.New(revisions.Options{Git: source, Path: ".", Fallback: true, Log: logr.Discard()}),
	})
	for n, steps := 0, 0; n < 2 || n < 10 && steps > 0; n++ { // a busy machine may need more than two
		run, err := r.Plan(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		steps = len(run.Plan.Steps)
		if _, err := r.Apply(b.Context(), run, func(apply.Event) {}); err != nil {
			b.Fatal(err)
		}
	}
	return r
}

// BenchmarkRun measures a run that finds nothing to do. It reads nothing, one service that an event named, or
// everything. Each run also looks at the state of the file, which costs nothing in a git repository.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		r := steadyIn(b, manifestsOf(n))
		r.decider.Follow = true // as a daemon does
		for outcome := ""; outcome != state.RolledOut; {
			run, err := r.Plan(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := r.Apply(b.Context(), run, func(apply.Event) {}); err != nil {
				b.Fatal(err)
			}
			outcome = run.Memory.Last().Outcome
		}
		live := r.world.Index.ByName(v1.KindService, "app-00042")
		for name, scope := range map[string]observe.Scope{
			"nothing": {}, "one": {Objects: []kinds.Ref{{Kind: v1.KindService, ID: live.ID}}}, "all": observe.Everything,
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					run, err := r.Look(b.Context(), scope)
					if err != nil {
						b.Fatal(err)
					}
					if !run.Plan.InSync() {
						b.Fatalf("it is not in sync: %+v", run.Plan)
					}
				}
			})
		}
	}
}
