package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/manifests/git"
)

type runFlags struct {
	src         sourceFlags
	eng         engineFlags
	budgets     budgetFlags
	mode        string
	listen      string
	instance    string
	ownService  string
	resync      time.Duration
	repairAfter time.Duration
}

func newRun() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep the swarm matching the manifests",
		Long: `Follows the source and the swarm: a new commit is applied, a change by hand is reported and repaired after --repair-after.
A revision with a problem is refused whole and the last good one stays in force. Ends cleanly on SIGTERM.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.src.register(cmd, false)
	f.eng.register(cmd)
	f.budgets.register(cmd)
	cmd.Flags().StringVar(&f.mode, "mode", "enforce", "enforce, or observe: report and never write")
	cmd.Flags().StringVar(&f.listen, "listen", defaultListen, "address for /healthz, /readyz, /metrics, /api/v1/status and /api/v1/drift; empty for none")
	cmd.Flags().StringVar(&f.instance, "instance", "", "name of this instance in the lease and in status (default: the hostname)")
	cmd.Flags().StringVar(&f.ownService, "own-service", "", "service that the operator runs as: its update comes last, and it is never removed")
	cmd.Flags().DurationVar(&f.resync, "resync", 5*time.Minute, "how often to look at everything without being woken, give or take a tenth")
	cmd.Flags().DurationVar(&f.repairAfter, "repair-after", time.Minute, "how long a change by hand is reported before it is undone; 0s: at once")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	log, err := f.eng.logger(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	var queue atomic.Pointer[runner.Runner]
	metrics := status.NewMetrics(version(), func() int {
		if q := queue.Load(); q != nil {
			return q.Len()
		}
		return 0
	})
	board := status.NewBoard(v1.Scrub(f.src.location), f.mode, metrics, log, time.Now)
	client, err := f.eng.open(cmd, log, func(c engine.Call) { metrics.Call(c.Method, c.Route, c.Status, c.Duration) })
	if err != nil {
		return err
	}
	defer client.Close()
	ctx := cmd.Context()
	var work sync.WaitGroup
	var shown atomic.Pointer[reconciler.Loop] // once there is one
	defer work.Wait()
	if f.listen != "" { // before the source is there: the process works, and says what it waits for
		listener, err := net.Listen("tcp", f.listen)
		if err != nil {
			return fmt.Errorf("--listen: %w", err)
		}
		log.Info("listening", "address", listener.Addr().String())
		work.Go(func() {
			serve(ctx, listener, board, metrics, func(ctx context.Context) status.Status {
				if loop := shown.Load(); loop != nil {
					return loop.StatusNow(ctx)
				}
				return board.Status()
			})
		})
	}
	source := f.openSource(ctx, board)
	if source == nil {
		return nil // told to end before there was one
	}
	defer source.Close()
	lease := state.NewLease(state.LeaseOptions{
		Engine: client, Instance: cmp.Or(f.instance, hostname()), Log: log,
		Observe: func(to state.Transition, epoch uint64) { metrics.Lease(string(to), epoch) },
	})
	loop := &reconciler.Loop{Board: board, Metrics: metrics, Reconciler: reconciler.New(reconciler.Options{
		Engine: client, Source: source, Path: f.src.root(), Name: f.src.name, Budgets: f.budgets.Budgets,
		RepairAfter: f.repairAfter, Observe: f.mode == "observe", Fallback: true, Follow: true, Log: log,
		Lease: lease, Self: f.self(),
	})}
	shown.Store(loop)
	q := runner.New(tidying(loop.Reconcile), log)
	queue.Store(q)
	log.Info("running", "instance", lease.Holder(), "source", source.String(), "engine", client.Host(), "mode", f.mode, "version", version())
	work.Go(func() { f.wake(ctx, q, loop, client, source) })
	q.Run(ctx)
	loop.Release(ctx, true)
	log.Info("stopped")
	return nil
}

// self is the operator's own service, where it is one.
func (f *runFlags) self() v1.Key {
	if f.ownService == "" {
		return v1.Key{}
	}
	return v1.Key{Kind: v1.KindService, Name: f.ownService}
}

// hostname names a process to people who look for it.
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

func (f *runFlags) check() error {
	if f.mode != "enforce" && f.mode != "observe" {
		return fmt.Errorf("--mode: %q is not one of enforce, observe", f.mode)
	}
	if f.resync <= 0 {
		return fmt.Errorf("--resync: %s is not more than 0", f.resync)
	}
	return f.src.check()
}

// openSource waits for a source that cannot be opened yet: whatever makes it, or leads to it, may come after us. It
// returns nil where ctx ends first.
func (f *runFlags) openSource(ctx context.Context, board *status.Board) *git.Source {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		source, err := git.Open(ctx, f.src.location, git.Options{Path: f.src.path})
		if err == nil {
			return source
		}
		if errors.Is(err, git.ErrNotFound) {
			wait = time.Second // a directory is cheap to look for
		}
		board.Set(status.SourceReady, false, "SourceUnavailable", err.Error())
		pause(ctx, wait)
	}
	return nil
}

// wake asks for a run whenever something may have changed. What an event says is not believed, only that it came.
func (f *runFlags) wake(ctx context.Context, queue *runner.Runner, loop *reconciler.Loop, client *engine.Client, source *git.Source) {
	const key = "source"
	events, changes := client.Events(ctx), source.Watch(ctx)
	queue.Wake(key)
	timer := time.NewTimer(jitter(f.resync))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if ok && loop.Notice(e) {
				queue.Wake(key)
			}
		case <-changes:
			queue.Wake(key)
		case <-timer.C:
			timer.Reset(jitter(f.resync))
			loop.NoticeAll()
			queue.Wake(key)
		}
	}
}

func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1)
}
