// Package model is a swarm without an engine, for tests of what decides: specs, and what refers to what.
package model

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/moby/moby/api/types/network"
	"github.com/moby/moby/api/types/swarm"
	volumetypes "github.com/moby/moby/api/types/volume"
	"github.com/moby/moby/v2/daemon/cluster/convert"
	swarmapi "github.com/moby/swarmkit/v2/api"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/content"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/service"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/volume"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Noon is when the objects of a new model begin to be made.
var Noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ErrInUse says that an object is not removed because a service refers to it.
var ErrInUse = errors.New("in use")

// Swarm is a swarm as far as plans can see it: specs, and what refers to what. Services pass through dockerd's own
// conversions on their way in, so that what is read is what an engine would return.
type Swarm struct {
	// Objects are what there is, by kind and live name.
	Objects map[v1.Key]*kinds.Live
	// Files are the files of what manifests name, by the names that kinds give them.
	Files map[string]string
	// Writes is how many steps were carried out, whether or not they failed.
	Writes int
	clock  int
	joined string // the id of the node that joined last
	// engines are the engines that were made to join where manifests say they are: the id of the node by hostname.
	engines map[string]string
	root    string // the root that replaces the swarm's
}

// New returns a swarm that has nothing.
func New() *Swarm { return &Swarm{Objects: map[v1.Key]*kinds.Live{}} }

// Put writes an object: it gets a new version and, if there was none of its name, an id.
func (m *Swarm) Put(l *kinds.Live) *kinds.Live {
	m.clock++
	l.Version, l.Created = uint64(m.clock), Noon.Add(time.Duration(m.clock)*time.Second)
	key := v1.Key{Kind: l.Kind, Name: l.Name}
	if old := m.Objects[key]; old != nil {
		l.ID, l.Created = old.ID, old.Created
	} else {
		l.ID = fmt.Sprintf("%s-%d", l.Kind, m.clock)
	}
	m.Objects[key] = l
	return l
}

// Index reads the whole swarm.
func (m *Swarm) Index() *kinds.Index {
	lists, uses := map[string][]*kinds.Live{}, map[string]func(*kinds.Live) []kinds.Ref{}
	for _, key := range slices.SortedFunc(maps.Keys(m.Objects), v1.Key.Compare) {
		lists[key.Kind] = append(lists[key.Kind], m.Objects[key])
	}
	for _, k := range all.Kinds() {
		uses[k.Name] = k.Uses
	}
	return kinds.NewIndex(lists, func(l *kinds.Live) []kinds.Ref { return uses[l.Kind](l) })
}

func (m *Swarm) id(kind, name string) (string, error) {
	if l := m.Objects[v1.Key{Kind: kind, Name: name}]; l != nil {
		return l.ID, nil
	}
	return "", fmt.Errorf("%s %s not found", kind, name)
}

// Do carries out one step as the engine would.
func (m *Swarm) Do(s plan.Step, ix *kinds.Index, src kinds.Source) error {
	m.Writes++
	key := v1.Key{Kind: s.Key.Kind, Name: s.Instance}
	if s.Op == diff.Remove || s.Op == diff.Replace {
		if err := m.Remove(key); err != nil {
			return err
		}
		if s.Op == diff.Remove {
			return nil
		}
	}
	if s.Op != diff.Update && m.Objects[key] != nil {
		return fmt.Errorf("%s exists", key)
	}
	switch s.Key.Kind {
	case v1.KindService:
		return m.service(s, ix, src)
	case v1.KindNetwork:
		return m.network(s, src)
	case v1.KindVolume:
		return m.volume(s, src)
	case v1.KindNode:
		return m.node(s, src)
	case v1.KindCluster:
		return m.cluster(s, src)
	default:
		return m.content(s, src)
	}
}

// Remove removes an object if there is one. It fails for what a service's spec refers to, as the engine does.
func (m *Swarm) Remove(key v1.Key) error {
	l := m.Objects[key]
	if l == nil {
		return nil
	}
	for _, o := range m.Objects {
		if o.Kind != v1.KindService {
			continue
		}
		now := *o.Raw.(*swarm.Service)
		now.PreviousSpec = nil
		uses := service.Kind().Uses(&kinds.Live{Kind: o.Kind, Raw: &now})
		if slices.Contains(uses, kinds.Ref{Kind: key.Kind, ID: l.ID}) || slices.Contains(uses, kinds.Named(key.Kind, key.Name)) {
			return fmt.Errorf("%s: %w by %s", key, ErrInUse, o.Name)
		}
	}
	delete(m.Objects, key)
	return nil
}

func (m *Swarm) service(s plan.Step, ix *kinds.Index, src kinds.Source) error {
	spec, err := service.Spec(s, src.Owner(s.Key), ix, m.id)
	if err != nil {
		return err
	}
	if s.Op != diff.Update {
		kinds.Env{Nonce: src.Nonce}.Mark(spec.Labels)
	}
	next := &swarm.Service{Spec: *spec}
	if s.Op == diff.Update {
		live := m.Objects[v1.Key{Kind: s.Key.Kind, Name: s.Instance}]
		if was := s.Change.Have.Value.(*kinds.Live); was.Version != live.Version {
			return errors.New("update out of sequence")
		}
		old := live.Raw.(*swarm.Service).Spec
		next.PreviousSpec, next.UpdateStatus = &old, &swarm.UpdateStatus{State: swarm.UpdateStateCompleted}
	}
	return m.PutService(next)
}

// PutService writes a service as an engine would keep it.
func (m *Swarm) PutService(s *swarm.Service) error {
	sent, err := convert.ServiceSpecToGRPC(s.Spec)
	if err != nil {
		return err
	}
	b, err := sent.Marshal()
	if err != nil {
		return err
	}
	var kept swarmapi.ServiceSpec
	if err := kept.Unmarshal(b); err != nil {
		return err
	}
	back, err := convert.ServiceFromGRPC(swarmapi.Service{Spec: kept})
	if err != nil {
		return err
	}
	// An engine returns copies.
	wire, err := json.Marshal(back.Spec)
	if err != nil {
		return err
	}
	s.Spec = swarm.ServiceSpec{}
	if err := json.Unmarshal(wire, &s.Spec); err != nil {
		return err
	}
	m.Put(&kinds.Live{Kind: v1.KindService, Name: s.Spec.Name, Labels: s.Spec.Labels, Raw: s})
	return nil
}

func (m *Swarm) network(s plan.Step, src kinds.Source) error {
	want := s.Change.Want.Value.(*v1.Network)
	n := &network.Summary{}
	n.Name, n.Scope, n.Driver, n.Attachable = s.Instance, "swarm", want.Spec.Driver, want.Spec.Attachable
	if n.ConfigFrom.Network = want.Spec.ConfigFrom; want.Spec.ConfigFrom != "" { // the engine refuses labels
		m.Put(&kinds.Live{Kind: v1.KindNetwork, Name: s.Instance, Raw: n})
		return nil
	}
	n.Labels = kinds.Labels(want.Metadata.Labels, src.Owner(s.Key), diff.NewApplied(s.Change.Want.Leaves).String())
	kinds.Env{Nonce: src.Nonce}.Mark(n.Labels)
	n.Internal, n.EnableIPv6 = want.Spec.Internal, want.Spec.EnableIPv6
	n.Options = map[string]string{"com.docker.network.driver.overlay.vxlanid_list": "4097"}
	maps.Copy(n.Options, want.Spec.DriverOpts)
	n.IPAM = network.IPAM{Driver: "default"}
	if p := want.Spec.IPAM; p != nil {
		n.IPAM.Options = p.Options
		if len(p.Config) > 0 && p.Config[0].Subnet != "" {
			subnet := netip.MustParsePrefix(p.Config[0].Subnet)
			n.IPAM.Config = []network.IPAMConfig{{Subnet: subnet, Gateway: subnet.Addr().Next()}}
		}
	}
	m.Put(&kinds.Live{Kind: v1.KindNetwork, Name: s.Instance, Labels: n.Labels, Raw: n})
	return nil
}

// volume makes a volume, or changes its availability. Its plugin has made it at once.
func (m *Swarm) volume(s plan.Step, src kinds.Source) error {
	want := s.Change.Want.Value.(*v1.Volume)
	if s.Op == diff.Update {
		live := m.Objects[v1.Key{Kind: s.Key.Kind, Name: s.Instance}]
		v := *live.Raw.(*volumetypes.Volume)
		of := *v.ClusterVolume
		of.Spec.Availability = volumetypes.Availability(want.Spec.Availability)
		v.ClusterVolume = &of
		m.Put(&kinds.Live{Kind: v1.KindVolume, Name: live.Name, Labels: live.Labels, Raw: &v})
		return nil
	}
	o, err := volume.Options(want, m.id)
	if err != nil {
		return err
	}
	labels := kinds.Labels(o.Labels, src.Owner(s.Key), diff.NewApplied(s.Change.Want.Leaves).String())
	kinds.Env{Nonce: src.Nonce}.Mark(labels)
	m.PutVolume(&volumetypes.Volume{
		Name: o.Name, Driver: o.Driver, Options: o.DriverOpts, Labels: labels, Scope: "global",
		ClusterVolume: &volumetypes.ClusterVolume{Spec: *o.ClusterVolumeSpec, Info: &volumetypes.Info{VolumeID: "made"}},
	})
	return nil
}

// PutVolume writes a cluster volume.
func (m *Swarm) PutVolume(v *volumetypes.Volume) {
	m.Put(&kinds.Live{Kind: v1.KindVolume, Name: v.Name, Labels: v.Labels, Raw: v})
}

func (m *Swarm) content(s plan.Step, src kinds.Source) error {
	put := func(name string, labels map[string]string, data []byte) {
		l := &kinds.Live{Kind: s.Key.Kind, Name: name, Labels: labels}
		annotations := swarm.Annotations{Name: name, Labels: labels}
		if s.Key.Kind == v1.KindConfig {
			l.Raw = &swarm.Config{Spec: swarm.ConfigSpec{Annotations: annotations, Data: data}}
		} else {
			l.Raw = &swarm.Secret{Spec: swarm.SecretSpec{Annotations: annotations}} // the engine never returns the data
		}
		m.Put(l)
	}
	calls := content.Calls{
		Create: func(_ context.Context, _ *engine.Client, of swarm.Annotations, want v1.ContentHolder) (string, error) {
			put(of.Name, of.Labels, want.Content().Reveal())
			return m.id(s.Key.Kind, of.Name)
		},
		Relabel: func(_ context.Context, _ *engine.Client, l *kinds.Live, labels map[string]string) error {
			var data []byte
			if c, ok := l.Raw.(*swarm.Config); ok {
				data = c.Spec.Data
			}
			put(l.Name, labels, data)
			return nil
		},
	}
	_, err := calls.Do(context.Background(), kinds.Env{Source: src.Name, Contents: src.Contents, Nonce: src.Nonce}, s)
	return err
}

// Foreign returns the objects that are not the source's, as text. They must not change.
func (m *Swarm) Foreign(src kinds.Source) map[string]string {
	out := map[string]string{}
	for key, l := range m.Objects {
		if _, meta := src.Identify(l); !meta.Mine {
			b, err := json.Marshal(l.Raw)
			if err != nil {
				panic(err)
			}
			out[key.String()] = l.ID + " " + string(b)
		}
	}
	return out
}

// Listing describes the swarm for people who want to know why a law was broken.
func (m *Swarm) Listing() string {
	var b strings.Builder
	for _, key := range slices.SortedFunc(maps.Keys(m.Objects), v1.Key.Compare) {
		l := m.Objects[key]
		fmt.Fprintf(&b, "%s %s version %d owner %q\n", key, l.ID, l.Version, l.Labels[v1.LabelOwner])
	}
	return b.String()
}
