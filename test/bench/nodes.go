package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/moby/client"
)

// nodeEvents changes nodes under a daemon whose source says nothing about nodes, so that it has no reason to look.
func nodeEvents(ctx context.Context, w *world, t *table) (err error) {
	if err := w.applied(ctx); err != nil {
		return err
	}
	d, err := w.run(ctx, "--resync", "24h")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := w.traffic.quiet(ctx, w.span(following)); err != nil {
		return err
	}
	w.traffic.reset()
	rounds := max(w.rounds/5, 1)
	for i := range rounds {
		if err := w.labelNode(ctx, fmt.Sprint(i)); err != nil {
			return err
		}
	}
	work := fmt.Sprintf("%d changes of a node's labels", rounds)
	if w.flap != nil {
		if err := w.flap(ctx); err != nil {
			return err
		}
		work += ", a worker that goes and comes"
	}
	if err := w.traffic.quiet(ctx, w.span(following)); err != nil {
		return err
	}
	calls, _ := w.traffic.seen()
	var its []call
	for _, c := range calls {
		if !strings.HasPrefix(c.path, "/nodes") { // those calls are the bench's own
			its = append(its, c)
		}
	}
	t.add("nodes change that no manifest names: calls", fmt.Sprint(len(its)), work+" "+routes(its), "", exactly(len(its), 0, "0"))
	return nil
}

// labelNode changes a label of the manager.
func (w *world) labelNode(ctx context.Context, value string) error {
	list, err := w.engine.NodeList(ctx, client.NodeListOptions{Filters: client.Filters{}.Add("role", "manager")})
	if err != nil {
		return err
	}
	for _, n := range list.Items {
		if n.Spec.Labels == nil {
			n.Spec.Labels = map[string]string{}
		}
		n.Spec.Labels["bench"] = value
		if _, err := w.engine.NodeUpdate(ctx, n.ID, client.NodeUpdateOptions{Version: n.Version, Spec: n.Spec}); err != nil {
			return err
		}
	}
	return nil
}
