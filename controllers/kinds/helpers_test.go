package kinds_test

import (
	"fmt"
	"time"

	"github.com/moby/moby/api/types/swarm"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/diff"
)

var (
	withKey = digests.Salted{Salt: []byte("a salt"), Digests: digests.New([]byte("a key"))}
	slowly  = digests.Salted{Salt: []byte("a salt"), Digests: digests.New(nil)}
	source  = kinds.Source{Name: "src", Contents: withKey}
	noon    = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

func configKey(name string) v1.Key { return v1.Key{Kind: v1.KindConfig, Name: name} }
func secretKey(name string) v1.Key { return v1.Key{Kind: v1.KindSecret, Name: name} }

// live returns a config, secret or service as the engine gives it. minutes is its age relative to others.
func live(kind, name string, labels map[string]string, minutes int, content string) *kinds.Live {
	l := &kinds.Live{Kind: kind, ID: "id-" + name, Name: name, Version: 1, Labels: labels, Created: noon.Add(time.Duration(minutes) * time.Minute)}
	switch kind {
	case v1.KindConfig:
		l.Raw = &swarm.Config{ID: l.ID, Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: []byte(content)}}
	case v1.KindSecret: // the engine never gives the content back
		l.Raw = &swarm.Secret{ID: l.ID, Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}}}
	case v1.KindService:
		l.Raw = &swarm.Service{ID: l.ID, Spec: swarm.ServiceSpec{
			Annotations: swarm.Annotations{Name: name, Labels: labels}, TaskTemplate: swarm.TaskSpec{ContainerSpec: &swarm.ContainerSpec{Image: "bb:1"}},
		}}
	}
	return l
}

// version returns a version that the operator made with its key.
func version(key v1.Key, minutes int, content string) *kinds.Live {
	return versionBy(withKey, key, minutes, content)
}

func versionBy(by digests.Salted, key v1.Key, minutes int, content string) *kinds.Live {
	hidden := key.Kind == v1.KindSecret
	labels := map[string]string{v1.LabelOwner: source.Owner(key), v1.LabelApplied: diff.NewApplied(nil).String()}
	if hidden {
		labels[v1.LabelContent] = kinds.ContentLabel(hidden, by, key, []byte(content))
	}
	return live(key.Kind, kinds.VersionName(hidden, by, key, &v1.Config{Spec: v1.ContentSpec{Data: v1.NewContent([]byte(content))}}), labels, minutes, content)
}

func index(lives ...*kinds.Live) *kinds.Index {
	lists, uses := map[string][]*kinds.Live{}, map[string]func(*kinds.Live) []kinds.Ref{}
	for _, k := range all.Kinds() {
		uses[k.Name] = k.Uses
	}
	for _, l := range lives {
		lists[l.Kind] = append(lists[l.Kind], l)
	}
	return kinds.NewIndex(lists, func(l *kinds.Live) []kinds.Ref { return uses[l.Kind](l) })
}

func content(kind, name, data string, policy v1.Policy) v1.Object {
	h := v1.Header{APIVersion: v1.APIVersion, Kind: kind, Metadata: v1.Metadata{Name: name}, Policy: policy}
	spec := v1.ContentSpec{Data: v1.NewContent([]byte(data))}
	if data == "external" {
		spec = v1.ContentSpec{External: true}
	}
	if kind == v1.KindConfig {
		return &v1.Config{Header: h, Spec: spec}
	}
	return &v1.Secret{Header: h, Spec: v1.SecretSpec{Data: spec.Data, External: spec.External}}
}

func service(name string, configs ...string) *v1.Service {
	s := &v1.Service{Header: v1.Header{APIVersion: v1.APIVersion, Kind: v1.KindService, Metadata: v1.Metadata{Name: name}}, Spec: v1.ServiceSpec{Image: "bb:1"}}
	for _, c := range configs {
		s.Spec.Configs = append(s.Spec.Configs, v1.ConfigMount{Source: c})
	}
	return s
}

func expand(ix *kinds.Index, src kinds.Source, objects ...v1.Object) kinds.Wants {
	var entries []kinds.Entry
	for i, o := range objects {
		entries = append(entries, kinds.Entry{Object: o, From: diff.From{File: "a.yaml", Line: i + 1}})
	}
	return kinds.Expand(all.Kinds(), entries, ix, src, nil)
}

// compare returns the changes between live objects and manifests.
func compare(ix *kinds.Index, src kinds.Source, objects ...v1.Object) []diff.Change {
	wants := expand(ix, src, objects...)
	return diff.Compare(kinds.Haves(all.Kinds(), ix, src, wants.States, nil), wants.States, all.Rules)
}

func brief(changes []diff.Change) []string {
	var out []string
	for _, c := range changes {
		text := fmt.Sprintf("%s %s [%s]", c.Op, c.Key, c.Instance)
		if c.Op == diff.Remove && c.Have.Meta.OldVersion {
			text += " old"
		}
		if c.Have != nil && c.Have.Meta.Owner != "" {
			text += " of " + c.Have.Meta.Owner
		}
		for _, f := range c.Fields {
			text += fmt.Sprintf(" %s: %s → %s", f.Path, f.Have.InGit(), f.Want.InGit())
		}
		out = append(out, text)
	}
	return out
}
