package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/engines"
)

// Swarm is what scenarios need of a swarm, beyond the Engine API of its nodes. It has every image that they name. An
// image's name says what the image does: see package sandbox.
type Swarm interface {
	// Managers and Workers return the hostnames of the nodes.
	Managers() []string
	Workers() []string
	// Host returns where a node's engine listens, as docker clients write it. It is a unix socket.
	Host(node string) string
	// Kill stops a node as a power cut does. Start starts it again.
	Kill(node string) error
	Start(ctx context.Context, node string) error
	// Hang makes a node's engine accept calls and answer none. Continue carries out the calls that have come in the
	// meantime.
	Hang(node string) error
	Continue(node string) error
	// Partition cuts a node off from all others, and neither side is told. Its engine still answers. Heal ends the
	// partition.
	Partition(node string) error
	Heal(node string) error
	// Inject makes calls to the engines fail until remove is called.
	Inject(Fault) (remove func())
	// Save keeps in a directory what the nodes themselves have printed.
	Save(ctx context.Context, dir string) error
	// Spoil notes that the scenario changes the swarm or its nodes in a way that the next scenario should not find.
	Spoil()
	// Close leaves the swarm to the next scenario, or ends it. It works whatever was done to the swarm.
	Close() error
}

// Fault says which calls of the Engine API fail, and how.
type Fault struct {
	Method string // empty matches any
	Path   string // a regular expression for the whole path, without the version; empty matches any
	Skip   int    // how many matching calls pass first
	Count  int    // how many are then hit; 0 means all

	Latency time.Duration // before anything else happens
	Status  int           // status of an answer with Message
	Message string
	Drop    bool // close the connection without an answer
	// AfterCommit is true if the call is carried out and only its answer is spoiled.
	AfterCommit bool
}

// size is how many nodes a swarm has.
type size struct{ managers, workers int }

const (
	onSandbox = "sandbox"
	onEngines = "engines"
)

var swarmKind = flag.String("swarm", os.Getenv("E2E_SWARM"), "what the scenarios run on: sandbox (the default), or engines, which are real ones (E2E_SWARM)")

// A scenario says how many nodes it needs, and must also pass with more.
var (
	managers = flag.Int("managers", 0, "how many managers each swarm has at least")
	workers  = flag.Int("workers", 0, "how many workers each swarm has at least")
)

// checkSwarm returns an error if there cannot be such a swarm here.
func checkSwarm() error {
	switch *swarmKind {
	case "":
		*swarmKind = onSandbox
	case onSandbox:
	case onEngines:
		if reason, ok := engines.Available(); !ok {
			return errors.New(reason)
		}
	default:
		return fmt.Errorf("-swarm %q: want %s or %s", *swarmKind, onSandbox, onEngines)
	}
	return nil
}

// newSwarm takes a swarm that another scenario no longer needs, or starts one. Only this function chooses between
// sandbox and engines.
func newSwarm(ctx context.Context, n size) (Swarm, error) {
	n = size{max(n.managers, *managers), max(n.workers, *workers)}
	if s := swarms.take(n); s != nil {
		return s, nil
	}
	if *swarmKind == onEngines {
		s, err := engines.Start(ctx, engines.Options{Managers: n.managers, Workers: n.workers, Images: images, Faults: true})
		if err != nil {
			return nil, err
		}
		return &leased{Swarm: s, shared: shared{size: n}}, nil
	}
	sb, err := sandbox.Start(ctx, sandbox.Options{Managers: n.managers, Workers: n.workers})
	if err != nil {
		return nil, err
	}
	return &embedded{Sandbox: sb, shared: shared{size: n}, hung: map[string]func(){}}, nil
}

// newStorage starts a sandbox whose nodes have a CSI plugin, whatever the other scenarios run on: real engines have none.
func newStorage(ctx context.Context, n size) (*embedded, error) {
	sb, err := sandbox.Start(ctx, sandbox.Options{Managers: n.managers, Workers: n.workers, Storage: true})
	if err != nil {
		return nil, err
	}
	e := &embedded{Sandbox: sb, shared: shared{size: n}, hung: map[string]func(){}}
	e.Spoil() // no other scenario wants it
	return e, nil
}

// embedded is the swarm of package sandbox, in this process.
type embedded struct {
	*sandbox.Sandbox
	shared
	hung map[string]func() // what makes a node go on
}

func (e *embedded) Managers() []string { return e.Nodes()[:e.size.managers] }
func (e *embedded) Workers() []string  { return e.Nodes()[e.size.managers:] }

func (e *embedded) Start(ctx context.Context, node string) error { return e.StartNode(ctx, node) }

func (e *embedded) Kill(node string) error {
	e.Spoil()
	return e.Sandbox.Kill(node)
}

func (e *embedded) Partition(node string) error {
	e.Spoil()
	return e.Sandbox.Partition(node)
}

func (e *embedded) Hang(node string) error {
	e.Spoil()
	e.hung[node] = e.Sandbox.Inject(sandbox.Fault{Node: node, Latency: sandbox.Duration(time.Hour)})
	return nil
}

func (e *embedded) Continue(node string) error {
	if end := e.hung[node]; end != nil {
		end()
	}
	delete(e.hung, node)
	return nil
}

// Save does nothing: the Engine API tells everything.
func (e *embedded) Save(context.Context, string) error { return nil }

func (e *embedded) Inject(f Fault) func() {
	return e.undone(e.Sandbox.Inject(sandbox.Fault{
		Method: f.Method, Path: f.Path, Skip: f.Skip, Count: f.Count, Latency: sandbox.Duration(f.Latency),
		Status: f.Status, Message: f.Message, Drop: f.Drop, AfterCommit: f.AfterCommit,
	}))
}

func (e *embedded) end() error { return e.Sandbox.Close() }

func (e *embedded) clear(ctx context.Context) error {
	c, err := client.New(client.WithHost(e.Host(e.Managers()[0])))
	if err != nil {
		return err
	}
	defer c.Close()
	return clearSwarm(ctx, c, func() error { return nil })
}

// Close leaves the swarm to the next scenario, or ends it.
func (e *embedded) Close() error { return swarms.giveBack(e) }
