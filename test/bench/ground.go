package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/moby/moby/client"

	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/engines"
)

// ground is the swarm that is measured. Commands that are timed as a whole use direct, on both sides. What is
// counted, or timed between two calls, uses counted, also on both sides. So a proxy never slows down only one side.
type ground struct {
	name    string // for the heading
	direct  string // address of the API with nothing in between
	counted string // address of the API at which each call is noted; on the sandbox it is the same
	flap    func(context.Context) error
	// refuse makes each POST to a path be answered with 400 and a message, where calls are counted, until undo is
	// called.
	refuse func(path, message string) (undo func())
	close  func() error
}

// The swarms to choose from.
const (
	onSandbox = "sandbox"
	onEngine  = "engine"
)

// openGround starts the swarm that the options ask for.
func openGround(ctx context.Context, o options, t *traffic) (*ground, error) {
	switch o.on {
	case onSandbox:
		return openSandbox(ctx, o, t)
	case onEngine:
		return openEngine(ctx, o, t)
	}
	return nil, fmt.Errorf("-on: %q is not one of %s, %s", o.on, onSandbox, onEngine)
}

func openSandbox(ctx context.Context, o options, t *traffic) (*ground, error) {
	s, err := sandbox.Start(ctx, sandbox.Options{Managers: 1, Workers: o.nodes - 1, OnRequest: func(r sandbox.Request) {
		t.note(call{method: r.Method, path: r.Path, status: r.Status})
	}})
	if err != nil {
		return nil, fmt.Errorf("starting the sandbox: %w", err)
	}
	g := &ground{name: "sandbox", direct: s.Host("manager-1"), counted: s.Host("manager-1"), close: s.Close}
	g.refuse = func(path, message string) func() {
		return s.Inject(sandbox.Fault{Method: http.MethodPost, Path: regexp.QuoteMeta(path), Status: http.StatusBadRequest, Message: message})
	}
	if o.nodes > 1 {
		g.flap = func(ctx context.Context) error { return s.Restart(ctx, "worker-1") }
	}
	return g, nil
}

func openEngine(ctx context.Context, o options, t *traffic) (g *ground, err error) {
	var images []string
	for i := range min(o.n, teams) {
		images = append(images, image(i))
	}
	s, err := engines.Start(ctx, engines.Options{Managers: 1, Workers: o.nodes - 1, Images: images})
	if err != nil {
		return nil, fmt.Errorf("starting a real engine: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	version, err := s.Client("manager-1").ServerVersion(ctx, client.ServerVersionOptions{})
	if err != nil {
		return nil, err
	}
	p, err := newProxy(s.Host("manager-1"), t)
	if err != nil {
		return nil, err
	}
	return &ground{
		name: "Docker Engine " + version.Version, direct: s.Host("manager-1"), counted: p.host(), refuse: p.refuse,
		close: func() error { return errors.Join(p.close(), s.Close()) },
	}, nil
}
