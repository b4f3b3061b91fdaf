package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
)

// An engine that validation or a guardrail refuses is not asked. The engines of other Nodes are, so that a manager is found,
// and no swarm is made of them.
func TestWhichStatedEnginesAreAsked(t *testing.T) {
	node := func(name, spec string) string {
		return "apiVersion: " + v1.APIVersion + "\nkind: Node\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
	}
	at := func(name, host string) string { return node(name, "engine: {host: '"+host+"'}") }
	good := at("a", "ssh://ops@a")
	bad := "ssh://ops@evil"
	many := ""
	for i := range 990 { // each has 10 problems, and one more by a guardrail; 10000 are listed
		many += "apiVersion: " + v1.APIVersion + "\nkind: Service\nmetadata: {name: s" + fmt.Sprint(i) + "}\nspec: {image: x, a1: 1, a2: 1, a3: 1, a4: 1, a5: 1, a6: 1, a7: 1, a8: 1, a9: 1, a0: 1}\n---\n"
	}
	listed := &config.Guardrails{Nodes: &config.NodeRules{Engines: []string{"ssh://ops@a"}}}
	all := &config.Guardrails{Nodes: listed.Nodes, Containers: &config.ContainerRules{ReadOnly: true}}
	for _, c := range []struct {
		name, text string
		rules      *config.Guardrails
		asked      string
		stated     int
		problem    string // a part of it; "" if there is none
	}{
		{"no problem", good + at("b", bad), nil, "a b", 2, ""},
		{"no engine", node("a", "role: worker"), listed, "", 0, ""},
		{"one that no guardrail allows", good + at("b", bad), listed, "a", 2, "guardrail nodes.engines: "},
		{"only one that no guardrail allows", at("b", bad), listed, "", 1, "guardrail nodes.engines: "},
		{"a guardrail that warns", at("b", bad), &config.Guardrails{Mode: config.Warn, Nodes: listed.Nodes}, "b", 1, ""},
		{"an exception", at("b", bad), &config.Guardrails{Nodes: listed.Nodes, Exceptions: []config.Exception{{Object: "Node/b", Rules: []string{"nodes"}, Until: "2027-01-31"}}}, "b", 1, ""},
		{"another rule about the Node", good + node("b", "engine: {host: '"+bad+"'}, role: manager"), &config.Guardrails{Nodes: &config.NodeRules{Roles: []string{"worker"}}}, "a b", 2, "guardrail nodes.roles: "},
		{"files that may not be named", node("b", "engine: {host: 'tcp://b:1', tls: other}"), &config.Guardrails{Outside: &config.OutsideRules{TLS: []string{"ops"}}}, "", 1, "guardrail outside.tls: "},
		{"a name that may not be stated", good + at("b", bad), &config.Guardrails{Nodes: &config.NodeRules{Names: []string{"a"}}}, "a", 2, "guardrail nodes.names: "},
		{"a kind that may not be stated", at("b", bad), &config.Guardrails{Kinds: []string{"Service"}}, "", 1, "guardrail kinds: "},
		{"a field that may not be stated", at("b", bad), &config.Guardrails{Fields: []string{"Node spec.engine"}}, "", 1, "guardrail fields: "},
		{"all fields that may not be stated", at("b", bad), &config.Guardrails{Fields: []string{"Node spec"}}, "", 1, "guardrail fields: "},
		{"a host that is none", good + at("b", " unix:///x"), nil, "a", 2, "spec.engine.host: "},
		{"only a host that is none", at("b", ""), nil, "", 1, "spec.engine.host: is missing"},
		{"an unknown field of the engine", good + node("b", "engine: {host: '"+bad+"', tsl: x}"), nil, "a", 2, "spec.engine.tsl: "},
		{"another problem with the Node", good + node("b", "engine: {host: '"+bad+"'}, role: boss"), nil, "a b", 2, "spec.role: "},
		{"another Node without an engine", good + node("b", "role: boss"), nil, "a", 1, "spec.role: "},
		{"more problems than are listed", good + many + at("b", bad), all, "", 2, "spec.a0: unknown field"},
		{"more problems than are listed, in other objects", good + many, all, "a", 1, "spec.a0: unknown field"},
	} {
		t.Run(c.name, func(t *testing.T) {
			today := func() time.Time { return time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC) }
			files := fstest.MapFS{}
			for i, part := range slices.Collect(strings.SplitSeq(c.text, "---\n")) {
				if part != "" {
					files[fmt.Sprintf("%04d.yaml", i)] = &fstest.MapFile{Data: []byte(part)}
				}
			}
			m := machinesOf(revisions.NewLoader(revisions.NewGuards(c.rules, today)).Load(files, "."))
			var asked []string
			for _, n := range m.nodes {
				asked = append(asked, n.Metadata.Name)
			}
			if got := strings.Join(asked, " "); got != c.asked || m.stated != c.stated || (m.problem == "") != (c.problem == "") || !strings.Contains(m.problem, c.problem) {
				t.Errorf("asked are %q of %d, with the problem %q", got, m.stated, m.problem)
			}
		})
	}
}
