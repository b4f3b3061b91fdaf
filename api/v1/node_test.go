package v1_test

import (
	"strings"
	"testing"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// found compares what Validate returns with lines of "path: a part of the message", in order. want is empty if the
// object is right.
func found(t *testing.T, o v1.Object, want []string) {
	t.Helper()
	got := o.Validate()
	right := len(got) == len(want)
	for i := 0; right && i < len(got); i++ {
		path, part, _ := strings.Cut(want[i], ": ")
		right = got[i].Path == path && part != "" && strings.Contains(got[i].Message, part)
		if strings.Contains(got[i].Message, "geheim") {
			t.Errorf("shows a password: %s", got[i])
		}
	}
	if !right {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestProblemsOfNodes(t *testing.T) {
	type spec = v1.NodeSpec
	labels := func(key, value string) spec { return spec{Labels: map[string]string{key: value}} }
	host := func(host string) spec { return spec{Engine: &v1.EngineEndpoint{Host: host}} }
	tls := func(host, name string) spec { return spec{Engine: &v1.EngineEndpoint{Host: host, TLS: name}} }
	tests := []struct {
		name string
		spec spec
		want []string
	}{
		{"the least", spec{}, nil},
		{"all", spec{
			ID: "4hd41nyin8kn1wx4bscnnt3e9", Role: "manager", Availability: "pause", Labels: map[string]string{"a.b/c": "", "zone": "ä b"}, LabelMode: "exact", Presence: "present", RemoveDownAfter: duration(time.Minute),
			Engine: &v1.EngineEndpoint{Host: "tcp://node:2376", TLS: "ops"},
		}, nil},
		{"an ID with capitals", spec{ID: "4HD"}, []string{`spec.id: "4HD" is not the ID of a node`}},
		{"a long ID", spec{ID: strings.Repeat("a", 65)}, []string{"spec.id: is not the ID of a node"}},
		{"words misspelt", spec{Role: "managers", Availability: "drained", LabelMode: "merged", Presence: "Absent"}, []string{
			"spec.role: did you mean manager?", `spec.availability: "drained" is not one of active, pause, drain`, `spec.labelMode: "merged" is not one of merge, exact`, `spec.presence: "Absent" is not one of present, absent; did you mean absent?`,
		}},
		{"a label without a name", labels("", "1"), []string{`spec.labels: the label "" is empty`}},
		{"a label with a space", labels("a b", "1"), []string{`spec.labels: the label "a b"`}},
		{"a label with a control character", labels("a\x7f", "1"), []string{`spec.labels: the label "a\x7f"`}},
		{"a value with a control character", labels("a.b", "1\n"), []string{`spec.labels["a.b"]: "1\n" holds control characters`}},
		{"the operator's label", labels(v1.LabelOwner, "x"), []string{`spec.labels["swarm-operator.io/owner"]: labels below swarm-operator.io/ are the operator's own`}},
		{"removed soon", spec{RemoveDownAfter: seconds(59)}, []string{"spec.removeDownAfter: 59s is less than 1m"}},

		{"absent", spec{Presence: "absent", Role: "worker", Availability: "drain", RemoveDownAfter: duration(time.Hour), Engine: &v1.EngineEndpoint{Host: "unix:///run/docker.sock"}}, nil},
		{"absent and all else", spec{Presence: "absent", Role: "manager", Availability: "active", Labels: map[string]string{"a": "1"}}, []string{
			"spec.role: an absent node has none", `spec.availability: cannot be "active" with presence: absent`, "spec.labels: an absent node has none",
		}},
		{"present and all else", spec{Presence: "present", Role: "manager", Availability: "active", Labels: map[string]string{"a": "1"}}, nil},

		{"an engine by ssh", host("ssh://root@node:22"), nil},
		{"an engine without TLS", host("tcp://[fd00::1]:2375"), nil},
		{"an engine nowhere", host(""), []string{"spec.engine.host: is missing"}},
		{"an engine without a scheme", host("geheim@node:2375"), []string{"spec.engine.host: is not of the form unix://PATH"}},
		{"an engine by http", host("http://u:geheim@node"), []string{`spec.engine.host: "http" is not one of unix, tcp, ssh`}},
		{"an engine at nothing", host("unix://"), []string{"spec.engine.host: names nothing after unix://"}},
		{"an engine at a port", host("tcp://:2375"), []string{"spec.engine.host: names no host after tcp://"}},
		{"an engine of a user", host("ssh://root@"), []string{"spec.engine.host: names no host after ssh://"}},
		{"an engine with a password", host("ssh://root:geheim@node"), []string{"spec.engine.host: holds a password"}},
		{"an engine with an odd password", host("ssh://root:ge/heim@node"), []string{"spec.engine.host: is not of the form tcp://HOST:PORT"}},
		{"an engine of a user at tcp", host("tcp://10.0.x@node:2376"), []string{"spec.engine.host: holds a user, and only ssh:// has one; leave out what stands before @"}},
		{"an engine of nobody at tcp", host("tcp://@node:2376"), []string{"spec.engine.host: holds a user"}},
		{"an engine with a space", host("unix:///a b"), []string{"spec.engine.host: holds white space"}},
		{"TLS by ssh", tls("ssh://node", "ops"), []string{"spec.engine.tls: is only for tcp://"}},
		{"TLS by a file", tls("tcp://node:1", "/etc/ca.pem"), []string{`spec.engine.tls: "/etc/ca.pem" is not a name in tls: of the operator's configuration: ` + v1.ConfiguredNames}},
		{"TLS by a name with a space", tls("tcp://node:1", "my files"), []string{`spec.engine.tls: "my files" is not a name in tls: of the operator's configuration: ` + v1.ConfiguredNames}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found(t, &v1.Node{Header: named(v1.KindNode, "Node_1.example.com"), Spec: test.spec}, test.want)
		})
	}
}

func TestProblemsOfNodeSets(t *testing.T) {
	type set = v1.NodeSetSpec
	right := v1.NodeTemplate{Availability: "active"}
	selects := func(s v1.NodeSelector) set { return set{Selector: s, Template: right} }
	states := func(t v1.NodeTemplate) set { return set{Template: t} }
	tests := []struct {
		name string
		spec set
		want []string
	}{
		{"the least", states(right), nil},
		{"all", set{
			Selector: v1.NodeSelector{Hostnames: []string{"web-*"}, EngineLabels: map[string]string{"a": "b"}, Platform: &v1.Platform{OS: "linux", Architecture: "x86_64"}, Role: "worker"},
			Template: v1.NodeTemplate{Role: "manager", Availability: "drain", Labels: map[string]string{"a": "1"}, LabelMode: "merge", RemoveDownAfter: duration(time.Hour)},
		}, nil},
		{"nothing", set{Selector: v1.NodeSelector{Role: "worker"}, Template: v1.NodeTemplate{Labels: map[string]string{}}}, []string{"spec.template: states nothing"}},
		{"a label mode", states(v1.NodeTemplate{LabelMode: "exact"}), nil},
		{"bad hostnames", selects(v1.NodeSelector{Hostnames: []string{"*", "", "a b"}}), []string{"spec.selector.hostnames[1]: is empty", "spec.selector.hostnames[2]: may hold only"}},
		{"bad IDs", selects(v1.NodeSelector{IDs: []string{"abc", "Abc", ""}}), []string{"spec.selector.ids[1]: is not the ID of a node", "spec.selector.ids[2]: is not the ID of a node"}},
		{"bad engine labels", selects(v1.NodeSelector{EngineLabels: map[string]string{"": "1"}}), []string{"spec.selector.engineLabels: is empty"}},
		{"a bad platform", selects(v1.NodeSelector{Platform: &v1.Platform{OS: "linux ", Architecture: "\t"}}), []string{"spec.selector.platform.os: holds white space", "spec.selector.platform.architecture: holds white space"}},
		{"a bad role", selects(v1.NodeSelector{Role: "leader"}), []string{`spec.selector.role: "leader" is not one of worker, manager`}},
		{"a bad template", states(v1.NodeTemplate{Role: "w", Availability: "a", Labels: map[string]string{"a b": "\x00", v1.LabelState: ""}, LabelMode: "m", RemoveDownAfter: seconds(1)}), []string{
			`spec.template.role: "w"`, `spec.template.availability: "a"`, `spec.template.labels: the label "a b"`, `spec.template.labels["a b"]: holds control characters`,
			`spec.template.labels["swarm-operator.io/state"]: are the operator's own`, `spec.template.labelMode: "m"`, "spec.template.removeDownAfter: 1s is less than 1m",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			found(t, &v1.NodeSet{Header: named(v1.KindNodeSet, "web"), Spec: test.spec}, test.want)
		})
	}
}

// These are the problems that Cluster, Node and NodeSet share, and those of their names.
func TestProblemsOfHeadersOfClustersAndNodes(t *testing.T) {
	object := map[string]func(v1.Header) v1.Object{
		v1.KindCluster: func(h v1.Header) v1.Object { return &v1.Cluster{Header: h} },
		v1.KindNode:    func(h v1.Header) v1.Object { return &v1.Node{Header: h} },
		v1.KindNodeSet: func(h v1.Header) v1.Object {
			return &v1.NodeSet{Header: h, Spec: v1.NodeSetSpec{Template: v1.NodeTemplate{Role: "worker"}}}
		},
	}
	for kind, of := range object {
		h := named(kind, v1.ClusterName)
		h.Policy = v1.Policy{Suspend: true, Enforce: ptr(true), IgnoreDifferences: []string{"spec"}, DependsOn: []string{"Config/a"}}
		found(t, of(h), nil)
		h.Policy = v1.Policy{Adopt: v1.AdoptNever, Prune: ptr(false), Protect: true, DependsOn: []string{kind + "/default"}}
		const why = "cannot be stated here: what is not stated stays as it is"
		found(t, of(h), []string{"policy.dependsOn[0]: cannot depend on itself", "policy.adopt: " + why, "policy.prune: " + why, "policy.protect: " + why})
	}
	label := map[string]string{"a": "1"}
	for _, test := range []struct {
		kind, name string
		labels     map[string]string
		want       []string
	}{
		{v1.KindCluster, "default", label, nil},
		{v1.KindCluster, "", nil, []string{"metadata.name: is missing"}},
		{v1.KindCluster, "prod", nil, []string{`metadata.name: "prod" is not default`}},
		{v1.KindCluster, "Default", nil, []string{`metadata.name: "Default" is not default`}},
		{v1.KindNode, "a", nil, nil},
		{v1.KindNode, strings.Repeat("a", 255), nil, nil},
		{v1.KindNode, strings.Repeat("a", 256), nil, []string{"metadata.name: has 256 characters; at most 255"}},
		{v1.KindNode, "", nil, []string{"metadata.name: is missing"}},
		{v1.KindNode, "a b", nil, []string{`metadata.name: "a b" may hold only what hostnames have`}},
		{v1.KindNode, "a/b", nil, []string{`metadata.name: "a/b" may hold only`}},
		{v1.KindNode, "a\n", nil, []string{`metadata.name: "a\n" may hold only`}},
		{v1.KindNode, "web-*", nil, []string{`metadata.name: patterns with * and ? are for a NodeSet`}},
		{v1.KindNode, "a", label, []string{"metadata.labels: labels of a node are stated as spec.labels"}},
		{v1.KindNodeSet, "a.b", nil, []string{`metadata.name: "a.b" may hold only`}},
		{v1.KindNodeSet, "a", label, []string{"metadata.labels: are stated as spec.template.labels"}},
	} {
		h := named(test.kind, test.name)
		h.Metadata.Labels = test.labels
		found(t, object[test.kind](h), test.want)
	}
}

// Only ssh:// and tcp:// lead away from the operator's host for certain.
func TestWhichEnginesMayBeUsed(t *testing.T) {
	allowed := []string{"/run/engines/*"}
	for host, want := range map[string]bool{
		"ssh://ops@10.0.0.7": true, "tcp://10.0.0.8:2376": true, "unix:///run/engines/a.sock": true,
		"unix:///x": false, "unix:///run/engines/../x": false, "unix://run/engines/a.sock": false, "unix://": false,
		" unix:///run/engines/a.sock": false, "\tunix:///run/engines/a.sock": false, "UNIX:///run/engines/a.sock": false, "unix:/run/engines/a.sock": false,
		" unix:///x": false, "\tunix:///x": false, "UNIX:///x": false, "fd://x": false, "npipe:////./pipe/x": false, "http://10.0.0.8": false,
		"": false, " ": false, "ssh": false, "tcp": false, "unix": false, " ssh://a": false, "SSH://a": false, "TCP://a:1": false, "/run/engines/a.sock": false,
	} {
		if got := (&v1.EngineEndpoint{Host: host}).MayUse(allowed); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
	if any := []string{"*"}; (&v1.EngineEndpoint{Host: " unix:///x"}).MayUse(any) || (&v1.EngineEndpoint{}).MayUse(any) {
		t.Error("a pattern allows what is no endpoint")
	}
}

func TestWhichEnginesAreInClear(t *testing.T) {
	for host, want := range map[string]bool{
		"unix:///run/docker.sock": false, "ssh://ops@10.0.0.7": false, "tcp://10.0.0.8:2375": true, "tcp://10.0.0.8:2376": true, "tcp://[fd00::1]": true, "TCP://10.0.0.8": true, "http://10.0.0.8": true, "": true,
	} {
		if got := (&v1.EngineEndpoint{Host: host}).InClear(); got != want {
			t.Errorf("%q: %t", host, got)
		}
		if (&v1.EngineEndpoint{Host: host, TLS: "ops"}).InClear() {
			t.Errorf("%q with TLS is in clear", host)
		}
	}
}
