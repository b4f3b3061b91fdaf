package v1

import (
	"bytes"
	"encoding/pem"
	"net/netip"
	"net/url"
	"regexp"
	"time"
)

// nameCluster accepts every name, so that validateHeader reports only what the Cluster's own check does not.
var nameCluster = nameRule{regexp.MustCompile(`^`), 1 << 16, ""}

// These are the bounds within which a swarm can work. The engine checks only the expiry (measured): it accepts a
// heartbeat of one nanosecond.
const (
	minHeartbeat, maxHeartbeat = time.Second, 5 * time.Minute
	minCertExpiry              = time.Hour // ca.MinNodeCertExpiration of SwarmKit
	maxCertExpiry              = 87600 * time.Hour
	maxTaskHistory             = 10_000
	maxOldSnapshots            = 1_000
	maxLogEntries              = 10_000_000
	maxStable                  = 10 * time.Minute
	minReplace                 = 30 * time.Second
	minRotation                = time.Hour
)

// Validate checks everything that can be known without a swarm.
func (c *Cluster) Validate() []Problem {
	ps := c.validateHeader(nameCluster)
	if n := c.Metadata.Name; n != "" && n != ClusterName {
		ps.add("metadata.name", "%q is not %s: a swarm is one cluster", n, ClusterName)
	}
	ps.nobodysOwn(c.Policy)
	s := &c.Spec
	if n := s.TaskHistoryLimit; n != nil && (*n < 0 || *n > maxTaskHistory) {
		ps.add("spec.taskHistoryLimit", "%d is not between 0 and %d; the engine would take a negative one as: keep all for ever", *n, maxTaskHistory)
	}
	if s.Raft != nil {
		ps.raft(s.Raft)
	}
	if s.Dispatcher != nil {
		ps.between("spec.dispatcher.heartbeatPeriod", s.Dispatcher.HeartbeatPeriod, minHeartbeat, maxHeartbeat)
	}
	if s.CA != nil {
		ps.between("spec.ca.nodeCertExpiry", s.CA.NodeCertExpiry, minCertExpiry, maxCertExpiry)
		ps.externalCAs(s.CA.ExternalCAs)
		if r := s.CA.Rotation; r != nil && r.Epoch == nil {
			ps.add("spec.ca.rotation.epoch", "is missing")
		}
		if name := s.CA.Signing; name != "" {
			ps.configured("spec.ca.signing", "authorities:", name)
			if s.CA.Rotation != nil {
				ps.add("spec.ca.signing", "cannot be stated together with spec.ca.rotation: the one would undo the other")
			}
		}
	}
	if s.JoinTokens != nil {
		ps.joinToken("spec.joinTokens.worker", s.JoinTokens.Worker)
		ps.joinToken("spec.joinTokens.manager", s.JoinTokens.Manager)
	}
	if s.Autolock != nil {
		ps.autolock(s.Autolock)
	}
	if s.Managers != nil {
		ps.managers(s.Managers)
	}
	ps.pools(s)
	return ps
}

// nobodysOwn refuses policy.adopt, prune and protect for kinds whose objects the operator neither adopts nor removes
// with their manifest.
func (ps *problems) nobodysOwn(p Policy) {
	const why = "cannot be stated here: what is not stated stays as it is, so nothing is taken over, and nothing is removed with its manifest"
	if p.Adopt != "" {
		ps.add("policy.adopt", why)
	}
	if p.Prune != nil {
		ps.add("policy.prune", why)
	}
	if p.Protect {
		ps.add("policy.protect", why)
	}
}

func (ps *problems) between(path string, d *Duration, least, most time.Duration) {
	if d != nil && (time.Duration(*d) < least || time.Duration(*d) > most) {
		ps.add(path, "%s is not between %s and %s", d, Duration(least), Duration(most))
	}
}

// atLeast is like between, without an upper bound. The message ends with why, after a colon.
func (ps *problems) atLeast(path string, d *Duration, least time.Duration, why string) {
	if d != nil && time.Duration(*d) < least {
		ps.add(path, "%s is less than %s: %s", d, Duration(least), why)
	}
}

func (ps *problems) raft(r *Raft) {
	if n := r.SnapshotInterval; n != nil && (*n < 1 || *n > maxLogEntries) {
		ps.add("spec.raft.snapshotInterval", "%d is not between 1 and %d", *n, maxLogEntries)
	}
	if n := r.KeepOldSnapshots; n != nil && *n > maxOldSnapshots {
		ps.add("spec.raft.keepOldSnapshots", "%d is more than %d", *n, maxOldSnapshots)
	}
	if n := r.LogEntriesForSlowFollowers; n != nil && (*n < 1 || *n > maxLogEntries) {
		ps.add("spec.raft.logEntriesForSlowFollowers", "%d is not between 1 and %d", *n, maxLogEntries)
	}
	for _, tick := range []struct {
		path string
		n    *uint64
	}{{"spec.raft.electionTick", r.ElectionTick}, {"spec.raft.heartbeatTick", r.HeartbeatTick}} {
		if tick.n != nil && *tick.n < 1 {
			ps.add(tick.path, "0 is no number of ticks")
		}
	}
	if r.ElectionTick != nil && r.HeartbeatTick != nil && *r.ElectionTick <= *r.HeartbeatTick {
		ps.add("spec.raft.electionTick", "%d is not more than the heartbeatTick of %d", *r.ElectionTick, *r.HeartbeatTick)
	}
}

func (ps *problems) externalCAs(list []ExternalCA) {
	seen := map[string]bool{}
	for i, ca := range list {
		at := index("spec.ca.externalCAs", i)
		ps.oneOf(at+".protocol", ca.Protocol, "cfssl")
		switch u, err := url.Parse(ca.URL); {
		case ca.URL == "":
			ps.add(at+".url", "is missing")
		case err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "":
			ps.add(at+".url", "is not a URL such as https://ca.example.com/sign")
		case u.User != nil:
			ps.add(at+".url", "holds a user or a password, which would be shown to whoever may look at the swarm")
		case seen[ca.URL]:
			ps.add(at+".url", "%q is stated twice", ca.URL)
		}
		seen[ca.URL] = true
		ps.names(at+".options", ca.Options)
		if ca.CACert != "" && !certificates([]byte(ca.CACert)) {
			ps.add(at+".caCert", "is not a list of certificates in PEM")
		}
	}
}

// certificates reports whether a text consists of certificates in PEM only. A key in it would be sent to the swarm.
func certificates(text []byte) bool {
	for found := false; ; found = true {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return found && len(bytes.TrimSpace(text)) == 0
		}
		if block.Type != "CERTIFICATE" {
			return false
		}
	}
}

// managers refuses what cannot be a swarm. What somebody may want, such as a single manager, needs consent and is no
// problem.
func (ps *problems) managers(m *Managers) {
	if m.Count < 1 {
		ps.add("spec.managers.count", "%d managers are no swarm; at least 1 is needed", m.Count)
	}
	if m.Candidates != nil {
		ps.candidates("spec.managers.candidates", m.Candidates)
	}
	ps.word("spec.managers.spreadBy", m.SpreadBy)
	ps.between("spec.managers.stableFor", m.StableFor, 0, maxStable)
	ps.atLeast("spec.managers.replaceAfter", m.ReplaceAfter, minReplace, "a restart takes longer")
}

// candidates refuses candidates that a machine could make itself one of.
func (ps *problems) candidates(at string, c *Candidates) {
	const write = `state labels that you give to the nodes that may, such as labels: {manager: "yes"}, or ids`
	switch {
	case len(c.Labels)+len(c.IDs) > 0:
	case len(c.Hostnames) > 0:
		ps.add(at+".hostnames", "cannot select alone, because a machine that has a join token chooses its hostname itself: %s; hostnames then narrow them", write)
	default:
		ps.add(at, "is empty, which would let every node become a manager: %s", write)
	}
	ps.labelKeys(at+".labels", c.Labels)
	for i, id := range c.IDs {
		ps.nodeID(index(at+".ids", i), id)
	}
	ps.hostPatterns(at+".hostnames", c.Hostnames)
}

// pools checks fields that the operator only compares. A value that no swarm can have would differ for ever.
func (ps *problems) pools(s *ClusterSpec) {
	longest := 0
	var known []netip.Prefix
	for i, text := range s.DefaultAddrPool {
		at := index("spec.defaultAddrPool", i)
		p, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			ps.add(at, "%q is not an address range such as 10.0.0.0/8", text)
			continue
		case p.Masked() != p:
			ps.add(at, "%q has host bits set; did you mean %s?", text, p.Masked())
		}
		for _, other := range known {
			if p.Overlaps(other) {
				ps.add(at, "%s overlaps %s", p, other)
			}
		}
		known, longest = append(known, p), max(longest, p.Bits())
	}
	if n := s.SubnetSize; n != nil {
		switch {
		case *n < 8 || *n > 29:
			ps.add("spec.subnetSize", "%d is not between 8 and 29", *n)
		case int(*n) < longest:
			ps.add("spec.subnetSize", "a network of /%d does not fit into a pool of /%d", *n, longest)
		}
	}
	if n := s.DataPathPort; n != nil && (*n < 1024 || *n > 49151) {
		ps.add("spec.dataPathPort", "%d is not between 1024 and 49151", *n)
	}
}

func (ps *problems) joinToken(at string, j *JoinToken) {
	if j == nil {
		return
	}
	if j.Rotation == nil && len(j.Sinks) == 0 {
		ps.add(at, "states neither rotation nor sinks")
	}
	ps.rotation(at+".rotation", j.Rotation)
	ps.sinks(at+".sinks", j.Sinks)
}

func (ps *problems) rotation(at string, r *Rotation) {
	if r == nil {
		return
	}
	if r.Epoch == nil && r.Every == nil {
		ps.add(at, "states neither epoch nor every")
	}
	ps.atLeast(at+".every", r.Every, minRotation, "whoever uses it has to be told each time")
}

func (ps *problems) autolock(a *Autolock) {
	switch {
	case a.Enabled == nil:
		ps.add("spec.autolock.enabled", "is missing: true or false")
	case *a.Enabled && a.Escrow == "":
		ps.add("spec.autolock.escrow", "is missing: the swarm makes the unlock key, and without one that is kept nobody can start a manager again")
	}
	ps.rotation("spec.autolock.rotation", a.Rotation)
	if a.Escrow != "" {
		ps.configured("spec.autolock.escrow", "sinks:", a.Escrow)
	}
}
