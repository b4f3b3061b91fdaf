package service

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// portChanges are changes of ports, and what SwarmKit's allocator makes of them. A port is written as published:target,
// and a port of the nodes ends with @.
var portChanges = []struct {
	name string
	// spec are the ports that the endpoint was made for, and got are the numbers that it has. got is "" if they are those
	// of the spec.
	spec, got string
	// now are the ports of the live spec. It is "" if they are those of spec, and - if there are none.
	now, want string
	// held is what the refusal says. It is "" if the change is written.
	held string
}{
	{name: "a number is dropped", spec: "8181:80", want: "80", held: "the swarm keeps port 8181 for the service while 80/tcp stays: take 80/tcp out of the manifest for one commit, then state it without published; or state the number"},
	{name: "a number of a port of the nodes is dropped", spec: "8181:80@", want: "80@", held: "the swarm keeps port 8181 "},
	{name: "two numbers are dropped", spec: "8181:80 8190:90@", want: "80 90@", held: "the swarm keeps ports 8181 and 8190 for the service while 80/tcp and 90/tcp stay: "},
	{name: "a number is dropped, and another one changes", spec: "8181:80 8443:443", want: "80 9443:443", held: "keeps port 8181 "},
	{name: "a number is dropped, and one of the nodes changes", spec: "8181:80 8443:443@", want: "80 9443:443@", held: "keeps port 8181 "},
	{name: "a number of the nodes is dropped, and one of the mesh changes", spec: "8181:80@ 8443:443", want: "80@ 9443:443"},
	{name: "a number of the nodes is dropped, and another one of theirs changes", spec: "8181:80@ 8443:443@", want: "80@ 9443:443@"},
	{name: "a number is dropped, and a port comes", spec: "8181:80", want: "80 8443:443"},
	{name: "a number is dropped, and a port goes", spec: "8181:80 8443:443", want: "80"},
	{name: "a number is dropped, and another port takes the place of one", spec: "8181:80 8443:443", want: "80 8444:444", held: "keeps port 8181 "},
	{name: "one of two numbers of a port is dropped", spec: "8080:80 8081:80", want: "8080:80 80", held: "keeps port 8081 "},
	{name: "the port goes", spec: "8181:80", want: ""},
	{name: "the port comes back without a number", spec: "", want: "80"},
	{name: "a number changes", spec: "8181:80", want: "8282:80"},
	{name: "a number of the nodes changes", spec: "8181:80@", want: "8282:80@"},
	{name: "a number comes", spec: "80", got: "30000:80", want: "8181:80"},
	{name: "a number of the nodes comes", spec: "80@", want: "8181:80@"},
	{name: "the chosen number is stated", spec: "80", got: "30000:80", want: "30000:80", held: "the swarm has chosen port 30000 for 80/tcp itself, and takes no notice of a spec that states it"},
	{name: "the chosen number is stated, and a port comes", spec: "80", got: "30000:80", want: "30000:80 8443:443"},
	{name: "the mode changes to host, and the number is dropped", spec: "8181:80", want: "80@"},
	{name: "the mode changes to ingress, and the number is dropped", spec: "8181:80@", want: "80"},
	{name: "the mode changes, and the number stays", spec: "8181:80", want: "8181:80@"},
	{name: "the protocol changes", spec: "8181:80", want: "80/udp"},
	{name: "the protocol of a port of the nodes changes", spec: "8181:80@", want: "8181:80/udp@"},
	{name: "the protocol of a port of the nodes changes, and the number is dropped", spec: "8181:80@", want: "80/udp@", held: "the swarm takes no notice of this change of 80/udp: take 80/udp out of the manifest for one commit, then state it"},
	{name: "a port without a number gets another target", spec: "80", got: "30000:80", want: "81"},
	{name: "a port of the nodes without a number gets another target", spec: "80@", want: "81@"},
	{name: "the last write is not looked at yet", spec: "80", got: "30000:80", now: "8181:80", want: "80", held: "keeps port 8181 "},
	{name: "the port is not out yet", spec: "8181:80", now: "-", want: "80", held: "keeps port 8181 "},
	{name: "a number that was dropped by hand comes back", spec: "8181:80", now: "80", want: "8181:80"},
	{name: "a number that was dropped by hand changes", spec: "8181:80", now: "80", want: "8282:80"},
	{name: "the chosen number was written, and goes again", spec: "80", got: "30000:80", now: "30000:80", want: "80"},
	{name: "the chosen number was written in another order, and goes again", spec: "80 443:443", got: "443:443 30000:80", now: "443:443 30000:80", want: "80 443:443"},
	{name: "a number was dropped by hand, and another one changes", spec: "8181:80 443:443", now: "80 443:443", want: "80 9443:443"},
	{name: "the chosen number was written, and goes again, and another one changes", spec: "80 443:443", got: "30000:80 443:443", now: "30000:80 443:443", want: "80 9443:443"},
	{name: "nothing was given yet, and the number is dropped", spec: "", now: "8181:80", want: "80", held: "keeps port 8181 "},
}

// A change of ports that SwarmKit would accept and not carry out is held, and no other.
func TestAChangeOfPortsThatTheSwarmIgnoresIsHeld(t *testing.T) {
	for _, row := range portChanges {
		t.Run(row.name, func(t *testing.T) {
			live, manifest := plain(), plainly()
			if ports := livePorts(strings.Trim(cmp.Or(row.now, row.spec), "-")); ports != nil {
				live.EndpointSpec = &swarm.EndpointSpec{Mode: "vip", Ports: ports}
			}
			manifest.Spec.Ports = read(&swarm.ServiceSpec{EndpointSpec: &swarm.EndpointSpec{Ports: livePorts(row.want)}}, directory{}).Spec.Ports
			have, want := haveOf(live), wantOf(manifest)
			endpoint := &have.Value.(*kinds.Live).Raw.(*swarm.Service).Endpoint
			endpoint.Spec.Ports, endpoint.Ports = livePorts(row.spec), livePorts(row.spec)
			if row.got != "" {
				endpoint.Ports = livePorts(row.got)
			}
			s := plan.Step{Op: diff.Update, Key: want.Key, Instance: want.Instance, Fields: diff.DifferingFields(have, want, rules), Change: diff.Change{Op: diff.Update, Key: want.Key, Have: have, Want: want}}
			if len(s.Fields) == 0 {
				t.Fatal("nothing differs")
			}
			var why string
			for _, r := range stuck(s, plan.Facts{}, plan.Policy{}) {
				if why = r.Why; r.Class != plan.Never || r.Quiet {
					t.Errorf("%+v is not held", r)
				}
			}
			if row.held == "" && why != "" || !strings.Contains(why, row.held) {
				t.Errorf("got %q\nwant %q", why, row.held)
			}
			s.Fields = []diff.Field{{Path: "metadata.labels.a"}}
			if got := stuck(s, plan.Facts{}, plan.Policy{}); len(got) > 0 {
				t.Errorf("a change of a label is held: %+v", got)
			}
		})
	}
}

// livePorts reads ports of portChanges.
func livePorts(text string) []swarm.PortConfig {
	var out []swarm.PortConfig
	for _, word := range strings.Fields(text) {
		p := swarm.PortConfig{Protocol: "tcp", PublishMode: "ingress"}
		if rest, host := strings.CutSuffix(word, "@"); host {
			word, p.PublishMode = rest, "host"
		}
		if rest, udp := strings.CutSuffix(word, "/udp"); udp {
			word, p.Protocol = rest, "udp"
		}
		from, to, both := strings.Cut(word, ":")
		if both {
			p.PublishedPort = number32(from)
		} else {
			to = from
		}
		p.TargetPort = number32(to)
		out = append(out, p)
	}
	return out
}

func number32(text string) (n uint32) {
	for _, r := range text {
		n = n*10 + uint32(r-'0')
	}
	return n
}

// A job that no update may run again is left quietly, whatever would become of its ports.
func TestThePortsOfAJobThatStaysAreNotHeld(t *testing.T) {
	for _, git := range []bool{false, true} {
		live, manifest := plain(), plainly()
		manifest.Spec.Mode, manifest.Spec.Ports = v1.ModeReplicatedJob, []v1.Port{{Target: 80}}
		live.EndpointSpec = &swarm.EndpointSpec{Mode: "vip", Ports: livePorts("8181:80")}
		have, want := haveOf(live), wantOf(manifest)
		endpoint := &have.Value.(*kinds.Live).Raw.(*swarm.Service).Endpoint
		endpoint.Spec.Ports, endpoint.Ports = livePorts("8181:80"), livePorts("8181:80")
		s := plan.Step{Op: diff.Update, Key: want.Key, Fields: []diff.Field{{Path: "spec.ports[80/tcp].published", Git: git}}, Change: diff.Change{Op: diff.Update, Key: want.Key, Have: have, Want: want}}
		if held, left := len(stuck(s, plan.Facts{}, plan.Policy{})), len(jobs(plan.Plan{Steps: []plan.Step{s}}, plan.Facts{}, plan.Policy{})); git != (held == 1) || git == (left == 1) {
			t.Errorf("git %v: %d held, %d left", git, held, left)
		}
	}
}

// The ports that the endpoint was made for come back in their order: SwarmKit compares the lists.
func TestPortsComeBackInTheOrderOfTheEndpoint(t *testing.T) {
	for _, row := range []struct{ spec, want, out string }{
		{"80 443:443", "443:443 80", "80 443:443"},
		{"80 443:443", "80 443:443", "80 443:443"},
		{"80 443:443", "443:443 8080:80", "443:443 8080:80"},
		{"80 80 443", "443 443 80", "443 443 80"},
		{"80", "443 80", "443 80"},
		{"", "80", "80"},
		{"80", "", ""},
	} {
		spec := swarm.ServiceSpec{EndpointSpec: &swarm.EndpointSpec{Ports: livePorts(row.want)}}
		if asGiven(&spec, &swarm.Endpoint{Spec: swarm.EndpointSpec{Ports: livePorts(row.spec)}}); !slices.Equal(spec.EndpointSpec.Ports, livePorts(row.out)) {
			t.Errorf("%s of %s: got %v", row.want, row.spec, spec.EndpointSpec.Ports)
		}
	}
}

// The rest of a step is written if a write leaves the tasks that it would leave without the ports.
func TestOnlyThePortsOfAStepAreHeld(t *testing.T) {
	port, mode := diff.Field{Path: "spec.ports[80/tcp].published", Git: true, Effect: diff.RestartsTasks}, diff.Field{Path: "spec.endpointMode", Git: true, Effect: diff.RestartsTasks}
	image, label := diff.Field{Path: "spec.image", Git: true, Effect: diff.RestartsTasks}, diff.Field{Path: "metadata.labels.a", Git: true, Effect: diff.InPlace}
	for _, row := range []struct {
		name, spec, now string
		fields, rest    []diff.Field
	}{
		{"only the port", "8181:80", "8181:80", []diff.Field{port}, nil},
		{"an image", "8181:80", "8181:80", []diff.Field{image, port}, []diff.Field{image}},
		{"a label", "8181:80", "8181:80", []diff.Field{label, port}, []diff.Field{label}},
		{"the mode of the endpoint", "8181:80", "8181:80", []diff.Field{label, mode, port}, []diff.Field{label}},
		{"a label, and each write replaces all tasks", "8181:80", "8282:80", []diff.Field{label, port}, nil},
		{"an image, and each write replaces all tasks", "8181:80", "8282:80", []diff.Field{label, image, port}, []diff.Field{label, image}},
	} {
		t.Run(row.name, func(t *testing.T) {
			live, manifest := plain(), plainly()
			live.EndpointSpec = &swarm.EndpointSpec{Mode: "vip", Ports: livePorts(row.now)}
			manifest.Spec.Ports = []v1.Port{{Target: 80, Protocol: "tcp", Mode: "ingress"}}
			have, want := haveOf(live), wantOf(manifest)
			endpoint := &have.Value.(*kinds.Live).Raw.(*swarm.Service).Endpoint
			endpoint.Spec.Ports, endpoint.Ports = livePorts(row.spec), livePorts(row.spec)
			got := stuck(plan.Step{Op: diff.Update, Key: want.Key, Fields: row.fields, Change: diff.Change{Op: diff.Update, Key: want.Key, Have: have, Want: want}}, plan.Facts{}, plan.Policy{})
			if len(got) != 1 || !slices.Equal(got[0].Rest(), row.rest) || len(row.rest) > 0 && len(got[0].Fields)+len(got[0].Rest()) != len(row.fields) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// What git says of ports that a write leaves out is not remembered as applied: the difference stays git's.
func TestAPortThatWasLeftOutStaysGitsChange(t *testing.T) {
	before, after := plainly(), plainly()
	before.Spec.Ports = []v1.Port{{Target: 80, Published: 8181, Protocol: "tcp", Mode: "ingress"}}
	after.Spec.Ports, after.Spec.User = []v1.Port{{Target: 80, Protocol: "tcp", Mode: "ingress"}}, "1"
	live := plain()
	live.EndpointSpec = &swarm.EndpointSpec{Mode: "vip", Ports: livePorts("8181:80")}
	live.Labels = map[string]string{v1.LabelOwner: "infra", v1.LabelApplied: diff.NewApplied(wantOf(before).Leaves).String()}
	have, want := haveOf(live), wantOf(after)
	have.Meta.Applied = diff.NewApplied(wantOf(before).Leaves)
	port := func(f diff.Field) bool { return ofEndpoint(f.Path) }
	all := diff.DifferingFields(have, want, rules)
	s := plan.Step{Op: diff.Update, Key: want.Key, Fields: slices.DeleteFunc(slices.Clone(all), port), Change: diff.Change{Op: diff.Update, Key: want.Key, Have: have, Want: want, Fields: all}}
	spec, err := changed(s, "infra", directory{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	now := haveOf(spec)
	now.Meta.Applied = diff.ParseApplied(spec.Labels[v1.LabelApplied])
	left := diff.DifferingFields(now, want, rules)
	if len(left) != 1 || !port(left[0]) || !left[0].Git || left[0].Hand || !slices.Equal(spec.EndpointSpec.Ports, live.EndpointSpec.Ports) {
		t.Errorf("got %+v, and ports %v", left, spec.EndpointSpec.Ports)
	}
}
