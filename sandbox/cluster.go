package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/moby/moby/v2/daemon/server/router/swarm"
	"github.com/moby/sys/atomicwriter"
	"google.golang.org/grpc"
)

const (
	connectTimeout = 20 * time.Second
	requestTimeout = 20 * time.Second
)

// bigList lifts gRPC's limit of 4 MB for an answer, as dockerd does for lists.
var bigList = grpc.MaxCallRecvMsgSize(math.MaxInt32)

// cluster is a machine's part in a swarm. The Engine API's swarm routes talk to it. It also exists while the machine
// is in no swarm.
type cluster struct {
	e        *engine
	stateDir string

	// membership is held by init, join, leave and unlock from start to end, so that only one of them runs at a time.
	membership sync.Mutex

	mu sync.RWMutex // guards only nr
	nr *runner
}

var _ swarm.Backend = (*cluster)(nil)

func newCluster(e *engine) *cluster {
	return &cluster{e: e, stateDir: filepath.Join(e.dir, "swarm")}
}

func (c *cluster) runner() *runner {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.nr
}

func (c *cluster) setRunner(nr *runner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nr = nr
}

func (c *cluster) state() nodeState { return c.runner().state() }

// resume starts the swarm node that the machine was before it stopped, if it was one.
func (c *cluster) resume() error {
	c.membership.Lock()
	defer c.membership.Unlock()
	if err := os.MkdirAll(c.stateDir, 0o700); err != nil {
		return err
	}
	conf, err := loadStartConfig(c.stateDir)
	if err != nil || conf == nil {
		return err
	}
	nr, err := c.newRunner(*conf)
	if err != nil {
		return err
	}
	c.setRunner(nr)
	return nil
}

// halt stops the node and keeps its state on disk.
func (c *cluster) halt(farewell bool) error {
	nr := c.runner()
	if nr == nil {
		return nil
	}
	err := nr.stop(farewell)
	c.setRunner(nil)
	return err
}

func (c *cluster) newRunner(conf startConfig) (*runner, error) {
	nr := &runner{machine: c.e.machine, stateDir: c.stateDir, executor: c.e.executor, onEvents: c.e.events.fromStore}
	if err := nr.start(conf); err != nil {
		return nil, err
	}
	return nr, nil
}

// notManager returns the reason why this machine cannot serve a manager's request.
func notManager(s nodeState) error {
	switch {
	case s.node == nil && errors.Is(s.err, errSwarmLocked):
		return errSwarmLocked
	case s.node == nil:
		return errInactive
	case s.node.Manager() != nil:
		return errNotReady
	default:
		return errWorker
	}
}

// manage runs fn with the swarm's control API. It fails if the machine cannot serve a manager's request.
func (c *cluster) manage(fn func(ctx context.Context, s nodeState) error) error {
	s := c.state()
	if !s.activeManager() {
		return notManager(s)
	}
	// Do not use the request's context, because dockerd also finishes a call whose client has gone.
	ctx, cancel := context.WithTimeout(c.e.alive, requestTimeout)
	defer cancel()
	return fn(ctx, s)
}

func loadStartConfig(stateDir string) (*startConfig, error) {
	raw, err := os.ReadFile(startConfigPath(stateDir))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// Without a certificate there is no state to resume.
	if _, err := os.Stat(filepath.Join(stateDir, "certificates", "swarm-node.crt")); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, clearDir(stateDir)
		}
		return nil, err
	}
	var conf startConfig
	if err := json.Unmarshal(raw, &conf); err != nil {
		return nil, fmt.Errorf("reading how the swarm node was started: %w", err)
	}
	return &conf, nil
}

func saveStartConfig(stateDir string, conf startConfig) error {
	raw, err := json.Marshal(conf)
	if err != nil {
		return err
	}
	return atomicwriter.WriteFile(startConfigPath(stateDir), raw, 0o600)
}

func clearDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
