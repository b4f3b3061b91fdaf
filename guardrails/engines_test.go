package guardrails_test

import (
	"testing"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/guardrails"
)

// Whoever may name engines by a pattern must not be able to name one of somebody else.
func TestWhichEnginesAPatternMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, host string
		want          bool
	}{
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7", true},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.evil.example", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7.evil.example", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7@evil.example", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7/evil", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7?x", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7#x", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.7", false},
		{"ssh://ops@10.0.*", "ssh://root@10.0.0.7", false},
		{"ssh://ops@10.0.*", "ssh://10.0.0.7", false},
		{"ssh://ops@10.0.*", "tcp://10.0.0.7", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7:2222", false},
		{"ssh://ops@10.0.*", "ssh://ops@10.0.0.7/", true},
		{"ssh://ops@10.0.*:22", "ssh://ops@10.0.0.7:22", true},
		{"ssh://ops@10.0.*:*", "ssh://ops@10.0.0.7:2222", true},
		{"ssh://*@10.0.0.?", "ssh://ann@10.0.0.7", true},
		{"ssh://*@10.0.0.?", "ssh://ann@10.0.0.17", false},
		{"ssh://ops@*", "ssh://ops@10.0.0.7", true},
		{"ssh://ops@*", "ssh://ops@[fd00::7]", true},
		{"ssh://ops@*", "ssh://ops@node.example.com", true},
		{"ssh://ops@*.example.com", "ssh://ops@Node.Example.com", true},
		{"ssh://ops@*.example.com", "ssh://ops@example.com.evil.example", false},
		{"ssh://ops@node/run/*", "ssh://ops@node/run/docker.sock", true},
		{"ssh://ops@node/run/*", "ssh://ops@node", false},
		{"ssh://ops@node/*", "ssh://ops@node", false},
		{"tcp://10.0.*:2376", "tcp://10.0.0.7:2376", true},
		{"tcp://10.0.*:2376", "tcp://10.0.0.7:2377", false},
		{"tcp://10.0.*:2376", "tcp://10.0.x@evil.example:2376", false},
		{"tcp://10.0.*:2376", "tcp://10.0.0.7:2376@evil.example:2376", false},
		{"tcp://10.0.*", "tcp://10.0.0.7:2376", false},
		{"tcp://10.0.*:2376", "tcp://10.0.%65vil.example:2376", false},
		{"tcp://[fd00::*]:2376", "tcp://[fd00::7]:2376", true},
		{"tcp://[fd00::*]:2376", "tcp://[fd01::7]:2376", false},
		{"tcp://[fd00::*]:2376", "tcp://fd00.example:2376", false},
		{"tcp://[*]:2376", "tcp://10.0.0.7:2376", false},
		{"tcp://[fd00::7]", "tcp://[FD00::7]", true},
		{"unix:///run/*", "unix:///run/docker.sock", true},
		{"unix:///run/*", "unix:///run/../etc/other.sock", false},
		{"ssh://ops@node/run/*", "ssh://ops@node/run/../etc/other.sock", false},
		{"unix:///run/*", "unix:///var/run/docker.sock", false},
		{"unix:///run/*", "ssh://run/docker.sock", false},
		{"ssh://*", "unix:///run/docker.sock", false},
		{"ssh://*", "ssh://a b", false},
	} {
		g := &config.Guardrails{Nodes: &config.NodeRules{Engines: []string{"ssh://nobody@nowhere", c.pattern}}}
		node := &v1.Node{Header: v1.Header{Kind: v1.KindNode}, Spec: v1.NodeSpec{Engine: &v1.EngineEndpoint{Host: c.host}}}
		if got := len(guardrails.Check(g, guardrails.Manifest{Object: node}, day)) == 0; got != c.want {
			t.Errorf("%s matches %s: %t", c.pattern, c.host, got)
		}
	}
}
