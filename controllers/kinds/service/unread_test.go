package service

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// piholed returns a service as an engine lists it whose second name server is no address.
func piholed() *engine.Listed {
	s := &engine.Listed{Unknown: []string{"Spec.New", nameservers + "[1]"}, Unread: []engine.Unread{{Key: nameservers + "[1]", Text: "pihole"}, {Key: "Spec.Elsewhere", Text: "x"}}}
	s.Spec.Name = "web"
	s.Spec.TaskTemplate.ContainerSpec = &swarm.ContainerSpec{
		Image: "a", DNSConfig: &swarm.DNSConfig{Nameservers: []netip.Addr{netip.MustParseAddr("10.0.0.1"), {}, netip.MustParseAddr("10.0.0.3")}},
	}
	return s
}

// A name server that is no address stands where it is, so that the service differs from whatever git can state. It still counts
// among what a write would drop. A manifest that export makes does not have it, because it would not be valid.
func TestANameServerThatIsNoAddressIsADifference(t *testing.T) {
	l := seen(piholed())
	if want := []diff.Unread{{Key: nameservers + "[1]", Path: "spec.dns", Text: "pihole"}}; !slices.Equal(l.Unread, want) || !slices.Contains(l.Unknown, want[0].Key) {
		t.Errorf("it is read as %v, and unknown is %q", l.Unread, l.Unknown)
	}
	if got := normal(l, kinds.NewIndex(nil, nil)).Spec.DNS; !slices.Equal(got, v1.Texts{"10.0.0.1", "pihole", "10.0.0.3"}) {
		t.Errorf("its name servers are %q", got)
	}
	if got := exportOne(kinds.Export{Index: kinds.NewIndex(nil, nil)}, l).Spec.DNS; !slices.Equal(got, v1.Texts{"10.0.0.1", "10.0.0.3"}) {
		t.Errorf("the manifest has %q", got)
	}
}

// Who gives a service up, or has its update go on, learns which value is in the way.
func TestWhatAWriteWouldDropIsNamed(t *testing.T) {
	l := seen(piholed())
	if got := drops(l, "1.52"); !strings.Contains(got, "does not know") || !strings.Contains(got, "Spec.New") {
		t.Errorf("it says %q", got)
	}
	l.Unknown = l.Unknown[1:]
	if got := drops(l, "1.52"); !strings.HasPrefix(got, `spec.dns has "pihole", which is no address`) {
		t.Errorf("it says %q", got)
	}
}

// A write of the name servers leaves none of those that were there.
func TestAWriteReplacesANameServerThatIsNoAddress(t *testing.T) {
	l := seen(piholed())
	want := &v1.Service{Spec: v1.ServiceSpec{Image: "a", DNS: v1.Texts{"10.0.0.2"}}}
	s := plan.Step{Op: diff.Update, Key: v1.Key{Kind: v1.KindService, Name: "web"}, Fields: []diff.Field{{Path: "spec.dns", Want: diff.NewValue("10.0.0.2")}}}
	s.Change.Have, s.Change.Want = &diff.State{Value: l}, &diff.State{Value: want}
	spec, err := Spec(s, "src/Service/web", kinds.NewIndex(nil, nil), func(string, string) (string, error) { return "", nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.TaskTemplate.ContainerSpec.DNSConfig.Nameservers; !slices.Equal(got, []netip.Addr{netip.MustParseAddr("10.0.0.2")}) {
		t.Errorf("it writes %v", got)
	}
}
