package generate

import (
	"time"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Hosts are the hostnames that manifests of nodes are about.
var Hosts = []string{"a", "b", "c", "d", "e"}

// Candidates are the labels of the nodes that may become managers. Manifests of nodes give them to some nodes.
var Candidates = map[string]string{"zone": "a"}

// Authority is the name of the root that a Cluster may have signed by. CertFile and KeyFile are the names of its files.
const (
	Authority = "own"
	CertFile  = Authority + ".certFile"
	KeyFile   = Authority + ".keyFile"
)

// Nodes makes manifests of nodes, of sets of nodes and of the Cluster.
func Nodes(t *rapid.T) []v1.Object {
	var out []v1.Object
	for _, host := range Hosts {
		if yes(t, "node "+host) {
			out = append(out, node(t, host))
		}
	}
	if yes(t, "set") {
		out = append(out, nodeSet(t, "some"))
	}
	if rapid.IntRange(0, 3).Draw(t, "cluster") > 0 {
		out = append(out, clusterOf(t))
	}
	return out
}

// VaryNodes makes another revision of such manifests: most of them stay. Epochs often rise.
func VaryNodes(t *rapid.T, before []v1.Object) []v1.Object {
	out := vary(t, before, Nodes(t))
	for i, o := range out {
		if o.Key().Kind == v1.KindCluster {
			out[i] = raised(t, o.Copy().(*v1.Cluster))
		}
	}
	return out
}

// raised raises epochs in place.
func raised(t *rapid.T, c *v1.Cluster) *v1.Cluster {
	raise := func(epoch *uint64, what string) {
		if epoch != nil && yes(t, what) {
			*epoch++
		}
	}
	if j := c.Spec.JoinTokens; j != nil {
		for _, token := range []*v1.JoinToken{j.Worker, j.Manager} {
			if token != nil && token.Rotation != nil {
				raise(token.Rotation.Epoch, "raises the epoch of a token")
			}
		}
	}
	if ca := c.Spec.CA; ca != nil && ca.Rotation != nil {
		raise(ca.Rotation.Epoch, "raises the epoch of the root")
	}
	return c
}

// partial makes the header of a manifest that states some of an object.
func partial(t *rapid.T, kind, name string) v1.Header {
	h := v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name}}
	switch oneOf(t, append(make([]string, 16), "suspend", "enforce", "enforce", "ignore"), "policy") {
	case "suspend":
		h.Policy.Suspend = true
	case "enforce":
		enforce := true
		h.Policy.Enforce = &enforce
	case "ignore":
		h.Policy.IgnoreDifferences = []string{map[string]string{v1.KindCluster: "spec.joinTokens.worker.rotation"}[kind]}
		if kind != v1.KindCluster {
			h.Policy.IgnoreDifferences = []string{"spec.labels"}
		}
	}
	return h
}

func template(t *rapid.T) v1.NodeTemplate {
	out := v1.NodeTemplate{
		Role: oneOf(t, []string{"", "", "", v1.RoleManager, v1.RoleWorker}, "role"), Availability: oneOf(t, []string{"", "", v1.Active, v1.Drain, v1.Pause}, "availability"),
		LabelMode:       oneOf(t, []string{"", "", v1.LabelsMerge, v1.LabelsExact}, "labelMode"),
		RemoveDownAfter: maybe(t, "removeDownAfter", func() v1.Duration { return v1.Duration(10 * time.Minute) }),
	}
	for _, l := range some(t, []string{"zone", "rack"}, "node labels") {
		if out.Labels == nil {
			out.Labels = map[string]string{}
		}
		out.Labels[l] = oneOf(t, []string{"a", "b"}, l)
	}
	return out
}

func node(t *rapid.T, host string) *v1.Node {
	n := &v1.Node{Header: partial(t, v1.KindNode, host)}
	if rapid.IntRange(0, 5).Draw(t, "absent") == 0 {
		n.Spec.Presence = v1.Absent
	} else {
		of := template(t)
		n.Spec = v1.NodeSpec{Role: of.Role, Availability: of.Availability, Labels: of.Labels, LabelMode: of.LabelMode, RemoveDownAfter: of.RemoveDownAfter}
	}
	n.Spec.Engine = maybe(t, "engine", func() v1.EngineEndpoint { return v1.EngineEndpoint{Host: "ssh://" + host} })
	return n
}

func nodeSet(t *rapid.T, name string) *v1.NodeSet {
	s := &v1.NodeSet{Header: partial(t, v1.KindNodeSet, name), Spec: v1.NodeSetSpec{Template: template(t)}}
	s.Spec.Selector.Hostnames = oneOf(t, [][]string{nil, {"*"}, {"b", "c"}, {"d"}}, "hostnames")
	s.Spec.Selector.Role = oneOf(t, []string{"", "", v1.RoleWorker}, "of role")
	if s.Spec.Template.Availability == "" {
		s.Spec.Template.Labels = map[string]string{"rack": "a"} // a set has to state something
	}
	return s
}

func clusterOf(t *rapid.T) *v1.Cluster {
	c := &v1.Cluster{Header: partial(t, v1.KindCluster, v1.ClusterName)}
	s := &c.Spec
	s.Managers = maybe(t, "managers", func() v1.Managers {
		second, hour := v1.Duration(time.Second), v1.Duration(10*time.Minute)
		m := v1.Managers{Count: oneOf(t, []int{1, 2, 3, 3, 3, 3, 5}, "count"), SpreadBy: oneOf(t, []string{"", "zone"}, "spreadBy"), Candidates: &v1.Candidates{Labels: Candidates}}
		m.StableFor = oneOf(t, []*v1.Duration{nil, &second}, "stableFor")
		m.ReplaceAfter = oneOf(t, []*v1.Duration{nil, &hour}, "replaceAfter")
		return m
	})
	s.TaskHistoryLimit = maybe(t, "taskHistoryLimit", func() int64 { return oneOf(t, []int64{0, 5, 10}, "tasks") })
	if yes(t, "tokens") {
		s.JoinTokens = &v1.JoinTokens{Worker: token(t), Manager: token(t)}
	}
	switch oneOf(t, []string{"", "rotation", "rotation", "rotation", "signing", "signing"}, "ca") {
	case "rotation":
		epoch := rapid.Uint64Range(1, 3).Draw(t, "epoch of the root")
		s.CA = &v1.CA{Rotation: &v1.CARotation{Epoch: &epoch}}
	case "signing":
		s.CA = &v1.CA{Signing: Authority}
	}
	return c
}

func token(t *rapid.T) *v1.JoinToken {
	epoch, hour := rapid.Uint64Range(1, 3).Draw(t, "epoch"), v1.Duration(time.Hour)
	r := oneOf(t, []*v1.Rotation{nil, {Epoch: &epoch}, {Every: &hour}, {Epoch: &epoch, Every: &hour}}, "rotation")
	if r == nil {
		return nil
	}
	return &v1.JoinToken{Rotation: r}
}
