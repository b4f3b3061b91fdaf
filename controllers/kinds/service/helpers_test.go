package service

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	swarmapi "github.com/moby/swarmkit/v2/api"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// tb is what helpers need of a *testing.T or a *rapid.T.
type tb interface {
	Helper()
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
}

var (
	_ tb    = (*testing.T)(nil)
	_ names = directory{}
)

// directory resolves names and ids of objects that all exist.
type directory struct{}

func idOf(kind, name string) (string, error) { return kind + "-id-" + name, nil }

func (directory) NameOf(kind, id string) string { return strings.TrimPrefix(id, kind+"-id-") }

// index returns the real index, of a swarm that has every network of the generators.
func index(networks ...string) *kinds.Index {
	var list []*kinds.Live
	for _, n := range networks {
		id, _ := idOf(v1.KindNetwork, n)
		list = append(list, &kinds.Live{Kind: v1.KindNetwork, ID: id, Name: n})
	}
	return kinds.NewIndex(map[string][]*kinds.Live{v1.KindNetwork: list}, func(*kinds.Live) []kinds.Ref { return nil })
}

var source = kinds.Source{Name: "src", Contents: digests.Salted{Salt: []byte("key")}}

// wantOf returns what a manifest asks for, as the operator sees it.
func wantOf(s *v1.Service) *diff.State {
	w := kinds.Expand([]kinds.Kind{Kind()}, []kinds.Entry{{Object: s}}, index(), source, nil)
	return w.States[0].Whole()
}

// liveOf returns a live service with the spec.
func liveOf(spec *swarm.ServiceSpec) *kinds.Live {
	return &kinds.Live{Kind: v1.KindService, ID: "id-" + spec.Name, Name: spec.Name, Version: 1, Labels: spec.Labels, Raw: &swarm.Service{ID: "id-" + spec.Name, Spec: *spec}}
}

// haveOf returns a live service as the operator sees it.
func haveOf(spec *swarm.ServiceSpec) *diff.State {
	l := liveOf(spec)
	key, meta := source.Identify(l)
	return &diff.State{Key: key, Instance: l.Name, Meta: meta, Leaves: shape.Flatten(read(spec, directory{})), Value: l}
}

// createdFrom returns the spec of a new service, as it is sent.
func createdFrom(t tb, s *v1.Service) *swarm.ServiceSpec {
	t.Helper()
	w := wantOf(s)
	spec, err := fresh(w, source.Owner(w.Key), directory{}, idOf)
	if err != nil {
		t.Fatalf("making the spec of %s: %v", w.Key, err)
	}
	return spec
}

// updated returns the spec that an update to want sends, and the fields that it writes. Both are nil if nothing
// differs.
func updated(t tb, live *swarm.ServiceSpec, want *diff.State) (*swarm.ServiceSpec, []diff.Field) {
	t.Helper()
	have := haveOf(live)
	fields := diff.DifferingFields(have, want, rules)
	if len(fields) == 0 {
		return nil, nil
	}
	return overlaid(t, have, want, fields), fields
}

func overlaid(t tb, have, want *diff.State, fields []diff.Field) *swarm.ServiceSpec {
	t.Helper()
	step := plan.Step{Op: diff.Update, Key: want.Key, Instance: want.Instance, Fields: fields, Change: diff.Change{Op: diff.Update, Key: want.Key, Instance: want.Instance, Fields: fields, Have: have, Want: want}}
	spec, err := changed(step, source.Owner(want.Key), directory{}, idOf)
	if err != nil {
		t.Fatalf("overlaying: %v", err)
	}
	return spec
}

// grpc returns the spec as SwarmKit keeps it.
func grpc(t tb, spec *swarm.ServiceSpec) *swarmapi.ServiceSpec {
	t.Helper()
	sent, err := convert.ServiceSpecToGRPC(*overTheWire(t, spec))
	if err != nil {
		t.Fatalf("the engine refuses the spec: %v\n%s", err, pretty(spec))
	}
	b, err := sent.Marshal()
	if err != nil {
		t.Fatalf("marshalling: %v", err)
	}
	kept := new(swarmapi.ServiceSpec)
	if err := kept.Unmarshal(b); err != nil {
		t.Fatalf("unmarshalling: %v", err)
	}
	return kept
}

// returned is what the engine gives back for what was sent. It uses dockerd's own conversions, there and back.
func returned(t tb, spec *swarm.ServiceSpec) *swarm.ServiceSpec {
	t.Helper()
	back, err := convert.ServiceFromGRPC(swarmapi.Service{Spec: *grpc(t, spec)})
	if err != nil {
		t.Fatalf("the engine cannot return the spec: %v", err)
	}
	return overTheWire(t, &back.Spec)
}

func overTheWire(t tb, spec *swarm.ServiceSpec) *swarm.ServiceSpec {
	t.Helper()
	out, err := copySpec(spec)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return out
}

func pretty(v any) string {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func noDifference(t tb, have *swarm.ServiceSpec, want *diff.State) {
	t.Helper()
	if fields := diff.DifferingFields(haveOf(have), want, rules); len(fields) > 0 {
		t.Fatalf("differs:\n%s\nlive spec: %s", listed(fields), pretty(have))
	}
}

func listed(fields []diff.Field) string {
	var b strings.Builder
	for _, f := range fields {
		fmt.Fprintf(&b, "%s: %q → %q (%s)\n", f.Path, f.Have.Reveal(), f.Want.Reveal(), f.Effect)
	}
	return b.String()
}
