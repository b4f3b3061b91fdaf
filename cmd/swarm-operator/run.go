package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/decide"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/reconciler"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/controllers/runner"
	"github.com/swarm-operator/swarm-operator/controllers/server"
	"github.com/swarm-operator/swarm-operator/controllers/session"
	"github.com/swarm-operator/swarm-operator/controllers/state"
	"github.com/swarm-operator/swarm-operator/controllers/status"
	"github.com/swarm-operator/swarm-operator/manifests/git"
	"github.com/swarm-operator/swarm-operator/redact"
)

type runFlags struct {
	src     sourceFlags
	eng     engineFlags
	budgets budgetFlags
	http    httpFlags
	audit   auditFlag
	mode    string
	identity
	resync      time.Duration
	repairAfter time.Duration
	// repairRestartsAfter is the delay of repairs that restart tasks.
	repairRestartsAfter time.Duration
	opened
}

// opened is the content of the files that flags name. They are read when run starts, and again when its configuration
// or the guardrails have changed.
type opened struct {
	outside config.Named
	guards  *revisions.Guards
	digests *digests.Digests
}

// identity is what this operator is: an instance among others, and perhaps a service of the swarm.
type identity struct{ instance, ownService string }

func newRun() *cobra.Command {
	var f runFlags
	return f.command()
}

func (f *runFlags) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Keep the swarm matching the manifests",
		Long: `Run follows the source and the swarm. It applies each new commit. It reports a change by hand, and repairs it after --repair-after, or
after --repair-restarts-after if the repair restarts tasks. If somebody removes an object, run makes it again after --repair-after.
A revision that cannot be read is refused whole, and the last good one stays in force. A wrong value in a manifest holds that object
and whatever depends on it. Run ends cleanly on SIGTERM.

When the file that --config or --guardrails names changes, run starts again with it, in the same process. If the new content has a mistake,
or states no source although it did before, run goes on as before, and the condition ConfigurationRefused says what is wrong.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.src.register(cmd, false)
	f.src.guarded(cmd)
	f.src.comparing(cmd)
	f.eng.register(cmd)
	f.eng.registerStated(cmd, false)
	f.budgets.register(cmd)
	enumFlag(cmd, cmd.Flags(), &f.mode, "mode", "", "what to do about differences; observe reports them and never writes", "enforce", "enforce", "observe")
	f.http.register(cmd)
	f.audit.register(cmd)
	cmd.Flags().StringVar(&f.instance, "instance", "", "name of this instance in the lease and in status (default: the hostname)")
	cmd.Flags().StringVar(&f.ownService, "own-service", "", "name of the service that the operator itself runs as; the operator updates it last, and never removes it")
	vocabulary{&f.src.location, &f.eng}.register(cmd)
	cmd.Flags().DurationVar(&f.resync, "resync", 5*time.Minute, "how often to look at everything even if nothing happened, give or take a tenth")
	cmd.Flags().DurationVar(&f.repairAfter, "repair-after", time.Minute, "how long the operator reports a change by hand before it undoes it; 0s means at once")
	cmd.Flags().DurationVar(&f.repairRestartsAfter, "repair-restarts-after", 15*time.Minute, "how long the operator reports a change by hand before it undoes it, if that restarts the tasks of a service; 0s means at once")
	return cmd
}

// run works until the command's context ends. Each time that the config file or the guardrails change, it starts again.
func (f *runFlags) run(cmd *cobra.Command) error {
	rules, err := f.src.rules()
	if err != nil {
		return err
	}
	w := &watched{cmd: cmd, now: contents{config: configurationOf(cmd).data, rules: rules}}
	defer w.close()
	for {
		if err := f.once(cmd, w); err != nil || w.next == nil {
			return err
		}
		if err := w.reconfigure(); err != nil {
			return err
		}
	}
}

// once works until the command's context ends, or until the config file or the guardrails have a content that can be used
// and is another one.
func (f *runFlags) once(cmd *cobra.Command, w *watched) error {
	if err := f.check(); err != nil {
		return err
	}
	f.outside = outside(cmd)
	guards, err := f.src.guardsOf(w.now.rules)
	if err != nil {
		return err
	}
	f.guards = guards
	if f.digests, err = f.src.digests(); err != nil {
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
	board.Named(f.src.name) // empty if the source itself states its name
	ctx, audited, err := f.audit.operator(cmd.Context(), cmd.OutOrStdout(), cmp.Or(f.instance, hostname()), board, log)
	if err != nil {
		return err
	}
	defer audited()
	o := f.eng.options(cmd, log, func(c engine.Call) { metrics.Call(c.Method, c.Route, c.Status, c.Duration) })
	stated, err := engine.Stated(o)
	if err != nil {
		return err
	}
	if stated { // report a mistake in it at once
		client, err := engine.Open(o)
		if err != nil {
			return err
		}
		client.Close()
	}
	collectAfter(thrifty)
	ctx, end := context.WithCancel(ctx)
	var work sync.WaitGroup
	var shown atomic.Pointer[session.Session] // nil until the first engine is found
	defer func() {
		end()
		work.Wait()
	}()
	work.Go(rescue.Clean(func() {
		if w.watch(ctx, board, log) {
			log.Info("the configuration has changed; starting again with it")
			end()
		}
	}))
	if f.http.listen != "" { // serve before the source can be opened: the process works, and says what it waits for
		serve, err := f.serving(w, knownOf(cmd), board, metrics, &shown, log)
		if err != nil {
			return err
		}
		work.Go(rescue.Clean(func() { serve(ctx) }))
	}
	source := f.openSource(ctx, board)
	if source == nil {
		return nil // ctx ended before the source could be opened
	}
	defer source.Close()
	for ctx.Err() == nil {
		client, again, err := f.engine(ctx, source, o, stated, board)
		if err != nil {
			return err
		}
		if client == nil {
			break // ctx ended
		}
		f.work(ctx, client, source, again, parts{board: board, metrics: metrics, log: log, queue: &queue, shown: &shown, known: knownOf(cmd)})
	}
	log.Info("stopped")
	return nil
}

// serving listens, and returns what serves until its context ends. loop has the session once there is one.
func (f *runFlags) serving(w *watched, known *redact.Known, board *status.Board, metrics *status.Metrics, loop *atomic.Pointer[session.Session], log logr.Logger) (func(context.Context), error) {
	o := server.Options{Refused: metrics.Refused, Log: log}
	o.Health, o.Rest = handlers(board, metrics, known, func(ctx context.Context) status.Status {
		if loop := loop.Load(); loop != nil {
			return loop.StatusNow(ctx)
		}
		return board.Report().Status(status.Now{})
	})
	s, err := f.http.server(o)
	if err != nil {
		return nil, err
	}
	listener, err := w.listen(f.http.listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w; give another address, or an empty one to serve nothing", err)
	}
	log.Info("listening", "address", listener.Addr().String())
	if text := f.http.exposed(listener.Addr()); text != "" {
		log.Info(text, "address", listener.Addr().String())
	}
	return func(ctx context.Context) { s.Serve(ctx, listener) }, nil
}

// parts are what stays the same when the operator changes to another engine.
type parts struct {
	board   *status.Board
	metrics *status.Metrics
	log     logr.Logger
	queue   *atomic.Pointer[runner.Runner]
	shown   *atomic.Pointer[session.Session]
	known   *redact.Known
}

// engine returns the engine to talk to, and waits for one if the manifests state engines. If again is true, another
// engine may be found when this one is no longer a manager. The client is nil if ctx ended first.
func (f *runFlags) engine(ctx context.Context, source *git.Source, o engine.Options, stated bool, board *status.Board) (client *engine.Client, again bool, err error) {
	loader := revisions.NewLoader(f.guards)
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		if stated || engines(ctx, source, f.src.root(), loader).stated == 0 {
			client, err = engine.Open(o)
			return client, false, err
		}
		client, err = f.eng.find(ctx, source, f.src.root(), loader, f.outside, o, f.mode == "enforce", func(text string) { o.Logger.Info(text) })
		if err == nil {
			return client, true, nil
		}
		if ctx.Err() == nil {
			board.Tell(status.EngineReady, false, status.NoManager, err.Error())
			pause(ctx, wait)
		}
	}
	return nil, false, nil
}

// uselessFor is how long an engine may be no manager, or not answer, before the operator looks for another one.
const uselessFor = 30 * time.Second

// work works with one engine until ctx ends. If again is true, other engines may be found, so work also ends when this
// one is of no use.
func (f *runFlags) work(ctx context.Context, client *engine.Client, source *git.Source, again bool, s parts) {
	defer client.Close()
	ctx, end := context.WithCancel(ctx)
	defer end()
	lease := state.NewLease(state.LeaseOptions{
		Engine: client, Instance: cmp.Or(f.instance, hostname()), Log: s.log, Pace: pace(),
		Observe: func(to state.Transition, epoch uint64) { s.metrics.Lease(string(to), epoch) },
	})
	observes := f.mode == "observe"
	loop := session.New(reconciler.New(reconciler.Options{
		Engine: client, Log: s.log, Lease: lease, Named: f.outside, Known: s.known,
		Revisions: revisions.New(revisions.Options{
			Git: source, Path: f.src.root(), Name: f.src.name, OnProblem: f.budgets.onProblem, Fallback: true, Observe: observes, Guards: f.guards, Log: s.log,
		}),
		Policy: decide.Policy{
			Agreeing: decide.Agreeing{CommandsOnly: f.budgets.consents.commandsOnly()}, Budgets: f.budgets.Budgets, AskRewritten: f.budgets.asks(), RepairAfter: f.repairAfter, RepairRestartsAfter: f.repairRestartsAfter,
			Observe: observes, Follow: true, Self: f.self(), Digests: f.digests, Engines: f.eng.allowed(), Placing: f.guards.Placing(),
		},
	}), s.board, s.metrics, s.log, time.Now)
	s.shown.Store(loop)
	q := runner.New(tidying(loop.Reconcile), s.log)
	s.queue.Store(q)
	s.log.Info("running", "instance", lease.Holder(), "source", source.String(), "engine", client.Host(), "mode", f.mode, "version", version())
	var work sync.WaitGroup
	if p := pace(); p != 1 {
		s.log.Info("times are shortened, as only tests may", "variable", paceVariable, "pace", p)
	}
	work.Go(rescue.Clean(func() { f.wake(ctx, q, loop, client, source, s.board) }))
	if again {
		work.Go(rescue.Clean(func() {
			defer end()
			untilLost(ctx, s.board)
			if ctx.Err() == nil {
				s.log.Info("looking for another manager", "engine", client.Host())
			}
		}))
	}
	q.Run(ctx)
	loop.Release(ctx, true)
	end()
	work.Wait()
	loop.Wait()
}

// untilLost returns when the engine has been of no use for uselessFor, or when ctx ends.
func untilLost(ctx context.Context, board *status.Board) {
	// The report may still be that of the session before this one
	tick, began := time.NewTicker(time.Second), time.Now()
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c, ready := board.Report().Is(status.EngineReady)
		if !ready && !c.Since.IsZero() && c.Reason != status.NoQuorum && c.Reason != status.NoManager && min(time.Since(c.Since), time.Since(began)) > scaled(uselessFor) {
			return
		}
	}
}

// self returns the operator's own service, or the zero key if --own-service is not set.
func (f *runFlags) self() v1.Key {
	if f.ownService == "" {
		return v1.Key{}
	}
	return v1.Key{Kind: v1.KindService, Name: f.ownService}
}

// hostname returns the name of the machine, by which people can find the process, or "unknown".
func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

func (f *runFlags) check() error {
	switch {
	case f.resync <= 0:
		return checkPositive("resync", f.resync)
	case f.repairAfter < 0:
		return fmt.Errorf("--repair-after: %s is too short; give 0s or more", f.repairAfter)
	case f.repairRestartsAfter < 0:
		return fmt.Errorf("--repair-restarts-after: %s is too short; give 0s or more", f.repairRestartsAfter)
	case strings.Contains(f.ownService, "/"): // no service has such a name, so its update would not come last
		return fmt.Errorf("--own-service: %q is not the name of a service; leave out what is before the /", f.ownService)
	}
	return cmp.Or(f.budgets.check(), f.src.check(), f.http.check(), f.audit.check())
}

// openSource opens the source. It tries again until it can: whatever makes the source, or the way to it, may start
// later than the operator. It returns nil if ctx ends first.
func (f *runFlags) openSource(ctx context.Context, board *status.Board) *git.Source {
	for wait := time.Second; ctx.Err() == nil; wait = min(2*wait, 30*time.Second) {
		source, err := git.Open(ctx, f.src.location, git.Options{PollInterval: pollInterval()})
		if err == nil {
			return source
		}
		if errors.Is(err, git.ErrNotFound) {
			wait = time.Second // a directory is cheap to look for
		}
		board.Tell(status.SourceReady, false, status.SourceUnavailable, err.Error())
		pause(ctx, wait)
	}
	return nil
}

// wake asks for a run whenever something may have changed. An event only says where to look; its content is not
// believed.
func (f *runFlags) wake(ctx context.Context, queue *runner.Runner, loop *session.Session, client *engine.Client, source *git.Source, board *status.Board) {
	const key = "source"
	events, changes := client.Events(ctx), source.Watch(ctx)
	queue.Wake(key)
	ear := &listening{board: board, resync: f.resync}
	timer := time.NewTimer(jitter(f.resync))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case e, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			ear.hears(e)
			if loop.Notice(e) {
				queue.Wake(key)
			}
		case <-ear.proof:
			ear.fine()
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
