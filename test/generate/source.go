package generate

import (
	"slices"

	"pgregory.net/rapid"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Services are the names of the services of a Source. Each may depend on those before it.
var Services = []string{"db", "api", "web"}

// Source makes the manifests of a whole source: everything that its services refer to is there.
func Source(t *rapid.T) []v1.Object {
	var out []v1.Object
	needed := map[v1.Key]bool{}
	var before []string
	for _, name := range Services {
		if !yes(t, "service "+name) {
			continue
		}
		s := ServiceOf(t, name, oneOf(t, append([]string{"", "", "", ""}, Modes...), "mode"))
		unique(s, len(before))
		s.Policy = policy(t)
		if len(before) > 0 && yes(t, "depends") {
			s.Policy.DependsOn = []string{"Service/" + oneOf(t, before, "on")}
		}
		before = append(before, name)
		for _, r := range s.Refs() {
			needed[r.Key] = true
		}
		out = append(out, s)
	}
	for _, n := range Networks {
		k := v1.Key{Kind: v1.KindNetwork, Name: n}
		if needed[k] || yes(t, "network") {
			o := &v1.Network{Header: header(t, k), Spec: v1.NetworkSpec{Attachable: yes(t, "attachable")}}
			if yes(t, "pool") {
				o.Spec.IPAM = &v1.IPAM{Config: []v1.IPAMPool{{Subnet: oneOf(t, []string{"10.9.0.0/24", "FD00:9::/64"}, "subnet")}}}
			}
			out = append(out, o)
		}
	}
	contents := []string{"one", "two"}
	for _, n := range Configs {
		if k := (v1.Key{Kind: v1.KindConfig, Name: n}); needed[k] || yes(t, "config") {
			out = append(out, &v1.Config{Header: header(t, k), Spec: v1.ContentSpec{Data: v1.NewContent([]byte(oneOf(t, contents, "content")))}})
		}
	}
	for _, n := range Secrets {
		if k := (v1.Key{Kind: v1.KindSecret, Name: n}); needed[k] || yes(t, "secret") {
			out = append(out, &v1.Secret{Header: header(t, k), Spec: v1.SecretSpec{Data: v1.NewContent([]byte(oneOf(t, contents, "content")))}})
		}
	}
	return slices.Clip(out)
}

// Vary makes another revision of a source: most of it stays, some of it changes, comes and goes.
func Vary(t *rapid.T, before []v1.Object) []v1.Object { return vary(t, before, Source(t)) }

// vary chooses from what there is and what may come.
func vary(t *rapid.T, before, next []v1.Object) []v1.Object {
	byKey := map[v1.Key][]v1.Object{} // as it was, and as it may become
	var keys []v1.Key
	for _, o := range slices.Concat(before, next) {
		if byKey[o.Key()] == nil {
			keys = append(keys, o.Key())
		}
		byKey[o.Key()] = append(byKey[o.Key()], o)
	}
	slices.SortFunc(keys, v1.Key.Compare)
	chosen := map[v1.Key]v1.Object{}
	var need func(k v1.Key)
	need = func(k v1.Key) {
		if chosen[k] != nil {
			return
		}
		versions := byKey[k]
		o := versions[0]
		if len(versions) > 1 && rapid.IntRange(0, 2).Draw(t, "changes") == 0 {
			o = versions[1]
		}
		chosen[k] = o
		for _, r := range o.Refs() {
			need(r.Key)
		}
	}
	for _, k := range keys {
		if rapid.IntRange(0, 5).Draw(t, "goes") != 0 {
			need(k)
		}
	}
	var out []v1.Object
	for _, k := range keys {
		if o := chosen[k]; o != nil {
			out = append(out, o)
		}
	}
	return out
}

// unique gives each service ports of its own: two that publish one are a problem of the source.
func unique(s *v1.Service, n int) {
	for i := range s.Spec.Ports {
		if p := &s.Spec.Ports[i]; p.Published != 0 {
			p.Published += uint32(1000 * n)
		}
	}
}

func header(t *rapid.T, k v1.Key) v1.Header {
	return v1.Header{APIVersion: v1.APIVersion, Kind: k.Kind, Metadata: v1.Metadata{Name: k.Name, Labels: labels(t)}, Policy: policy(t)}
}

func policy(t *rapid.T) v1.Policy {
	p := v1.Policy{Adopt: oneOf(t, []string{"", "", "", v1.AdoptTakeover, v1.AdoptTakeover, v1.AdoptNever}, "adopt")}
	switch oneOf(t, append(make([]string, 24), "protect", "prune", "suspend", "enforce", "ignore"), "policy") {
	case "protect":
		p.Protect = true
	case "prune":
		p.Prune = new(bool)
	case "suspend":
		p.Suspend = true
	case "enforce":
		p.Enforce = new(bool)
	case "ignore":
		p.IgnoreDifferences = []string{oneOf(t, []string{"spec.environment", "spec.replicas", "spec.logging", "spec.updateConfig.parallelism", "metadata.labels"}, "ignored")}
	}
	return p
}
