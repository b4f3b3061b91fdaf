package v1

import (
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
)

var (
	// nameHost accepts what a machine calls itself, which engines report and which need not be a DNS name. It refuses
	// patterns, because no node is named so.
	nameHost = nameRule{regexp.MustCompile(`^[^\pZ\pC/*?]+$`), 255, "what hostnames have: no white space and no /; patterns with * and ? are for a NodeSet"}

	hostPattern = regexp.MustCompile(`^[^\pZ\pC/]+$`)
	nodeID      = regexp.MustCompile(`^[a-z0-9]{1,64}$`)
)

// minDown is the least time that a node must be down before it is removed.
const minDown = time.Minute

func spaceOrControl(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

// word adds a problem if the value holds white space or control characters. An empty value is not stated.
func (ps *problems) word(path, value string) {
	if strings.ContainsFunc(value, spaceOrControl) {
		ps.add(path, "%q holds white space or control characters", value)
	}
}

// labelKeys adds a problem for each key that is empty or holds white space or control characters.
func (ps *problems) labelKeys(path string, labels map[string]string) {
	for _, k := range sortedKeys(labels) {
		if k == "" || strings.ContainsFunc(k, spaceOrControl) {
			ps.add(path, "the label %q is empty or holds white space or control characters", k)
		}
	}
}

func (ps *problems) nodeID(path, id string) {
	if !nodeID.MatchString(id) {
		ps.add(path, "%q is not the ID of a node: lower-case letters and digits, as docker node ls shows them", id)
	}
}

func (ps *problems) hostPatterns(path string, patterns []string) {
	for i, p := range patterns {
		switch at := index(path, i); {
		case p == "":
			ps.add(at, "is empty; a pattern for all hostnames is *")
		case len(p) > nameHost.limit:
			ps.add(at, "has %d characters; hostnames have at most %d", len(p), nameHost.limit)
		case !hostPattern.MatchString(p):
			ps.add(at, "%q may hold only what hostnames have, * and ?: one line, no white space and no /", p)
		}
	}
}

// Validate checks everything that can be known without a swarm.
func (n *Node) Validate() []Problem {
	ps := n.validateHeader(nameHost)
	ps.nobodysOwn(n.Policy)
	s := &n.Spec
	if len(n.Metadata.Labels) > 0 {
		ps.add("metadata.labels", "labels of a node are stated as spec.labels")
	}
	if s.ID != "" {
		ps.nodeID("spec.id", s.ID)
	}
	t := NodeTemplate{Role: s.Role, Availability: s.Availability, Labels: s.Labels, LabelMode: s.LabelMode, RemoveDownAfter: s.RemoveDownAfter}
	ps.template("spec", &t)
	ps.oneOf("spec.presence", s.Presence, Present, Absent)
	if n.Gone() {
		if s.Role == RoleManager {
			ps.add("spec.role", "cannot be manager with presence: absent: an absent node has none")
		}
		if s.Availability != "" && s.Availability != Drain {
			ps.add("spec.availability", "cannot be %q with presence: absent: an absent node is drained", s.Availability)
		}
		if len(s.Labels) > 0 {
			ps.add("spec.labels", "cannot be stated with presence: absent: an absent node has none")
		}
	}
	ps.engine(s.Engine)
	return ps
}

// template checks what a Node and the template of a NodeSet have in common.
func (ps *problems) template(at string, t *NodeTemplate) {
	ps.oneOf(at+".role", t.Role, RoleWorker, RoleManager)
	ps.oneOf(at+".availability", t.Availability, Active, Pause, Drain)
	ps.labelKeys(at+".labels", t.Labels)
	for _, k := range sortedKeys(t.Labels) {
		if strings.HasPrefix(k, LabelPrefix) {
			ps.add(PathKey(at+".labels", k), "labels below %s are the operator's own", LabelPrefix)
		}
		if strings.ContainsFunc(t.Labels[k], unicode.IsControl) {
			ps.add(PathKey(at+".labels", k), "%q holds control characters", t.Labels[k])
		}
	}
	ps.oneOf(at+".labelMode", t.LabelMode, LabelsMerge, LabelsExact)
	ps.atLeast(at+".removeDownAfter", t.RemoveDownAfter, minDown, "a restart takes longer")
}

// Problems returns what is wrong with the endpoint, at paths below spec.engine. It is what Validate says of it.
func (e *EngineEndpoint) Problems() []Problem {
	var ps problems
	ps.engine(e)
	return ps
}

// engine checks an endpoint. Its messages quote only the scheme of the host, because the rest may hold a password.
func (ps *problems) engine(e *EngineEndpoint) {
	if e == nil {
		return
	}
	const path = "spec.engine"
	scheme, rest, ok := strings.Cut(e.Host, "://")
	switch {
	case e.Host == "":
		ps.add(path+".host", "is missing")
	case !ok:
		ps.add(path+".host", "is not of the form unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST")
	case scheme != "unix" && scheme != "tcp" && scheme != "ssh":
		ps.add(path+".host", "%q is not one of unix, tcp, ssh", scheme)
	case strings.ContainsFunc(rest, spaceOrControl):
		ps.add(path+".host", "holds white space or control characters")
	case rest == "":
		ps.add(path+".host", "names nothing after %s://", scheme)
	case scheme != "unix":
		u, err := url.Parse(e.Host)
		if err != nil {
			ps.add(path+".host", "is not of the form tcp://HOST:PORT or ssh://[USER@]HOST")
			break
		}
		if _, has := u.User.Password(); has {
			ps.add(path+".host", "holds a password; ssh uses keys, tcp the files that spec.engine.tls names")
		} else if scheme == "tcp" && u.User != nil {
			ps.add(path+".host", "holds a user, and only ssh:// has one; leave out what stands before @")
		} else if u.Hostname() == "" {
			ps.add(path+".host", "names no host after %s://", scheme)
		}
	}
	ps.word(path+".advertiseAddr", e.AdvertiseAddr)
	ps.word(path+".listenAddr", e.ListenAddr)
	ps.word(path+".dataPathAddr", e.DataPathAddr)
	if e.TLS == "" {
		return
	}
	ps.configured(path+".tls", "tls:", e.TLS)
	if scheme != "tcp" {
		ps.add(path+".tls", "is only for tcp://")
	}
}

// Validate checks everything that can be known without a swarm.
func (s *NodeSet) Validate() []Problem {
	ps := s.validateHeader(nameDNS)
	ps.nobodysOwn(s.Policy)
	if len(s.Metadata.Labels) > 0 {
		ps.add("metadata.labels", "labels of nodes are stated as spec.template.labels")
	}
	sel, t := &s.Spec.Selector, &s.Spec.Template
	for i, id := range sel.IDs {
		ps.nodeID(index("spec.selector.ids", i), id)
	}
	ps.hostPatterns("spec.selector.hostnames", sel.Hostnames)
	ps.labelKeys("spec.selector.engineLabels", sel.EngineLabels)
	if p := sel.Platform; p != nil {
		ps.word("spec.selector.platform.os", p.OS)
		ps.word("spec.selector.platform.architecture", p.Architecture)
	}
	ps.oneOf("spec.selector.role", sel.Role, RoleWorker, RoleManager)
	if t.Role == "" && t.Availability == "" && len(t.Labels) == 0 && t.LabelMode == "" && t.RemoveDownAfter == nil {
		ps.add("spec.template", "states nothing: the set would do nothing to its nodes")
	}
	ps.template("spec.template", t)
	return ps
}
