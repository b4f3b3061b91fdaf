package v1

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distribution/reference"
)

func compareStrings(a, b string) int { return strings.Compare(a, b) }

// Canonical is an object that can say one thing in more than one form. Its method keeps one form and fills in
// nothing, so that stated fields have the same paths before and after Default.
type Canonical interface{ Canonical() }

// Canonical sorts lists whose entries are told apart by their place, and writes every target, host and health check
// in one form.
func (s *Service) Canonical() {
	sp := &s.Spec
	slices.SortStableFunc(sp.Ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Target, b.Target), strings.Compare(cmp.Or(a.Protocol, "tcp"), cmp.Or(b.Protocol, "tcp")),
			cmp.Compare(a.Published, b.Published), strings.Compare(cmp.Or(a.Mode, "ingress"), cmp.Or(b.Mode, "ingress")))
	})
	for i := range sp.Configs {
		sp.Configs[i].Target = configTarget(sp.Configs[i].Target)
	}
	for i := range sp.Secrets {
		sp.Secrets[i].Target = secretTarget(sp.Secrets[i].Target)
	}
	for i, h := range sp.ExtraHosts {
		if host, address, ok := SplitHost(h); ok {
			sp.ExtraHosts[i] = host + ":" + address
		}
	}
	sp.ExtraHosts = sorted(sp.ExtraHosts)
	sp.Healthcheck = sp.Healthcheck.normal()
	sp.canonicalMore()
}

// configTarget adds a leading / to a relative path, because the engine takes it as one below /
// (container_operations_unix.go).
func configTarget(target string) string {
	if target == "" || strings.HasPrefix(target, "/") || strings.Contains(target, `:\`) {
		return target
	}
	return "/" + target
}

// secretTarget removes /run/secrets/ from a path, because the engine takes a relative path as one below /run/secrets.
func secretTarget(target string) string { return strings.TrimPrefix(target, secretDir) }

const secretDir = "/run/secrets/"

// Default brings the service into normal form. If Replicas is not stated, it stays nil: the swarm or another client
// then chooses the number.
//
// The defaults are those of SwarmKit (api/defaults/service.go), and those of the docker CLI if the engine has none.
func (s *Service) Default() {
	s.Canonical()
	sp := &s.Spec
	sp.Mode = cmp.Or(sp.Mode, ModeReplicated)
	sp.Image = NormalImage(sp.Image)
	for i := range sp.Ports {
		p := &sp.Ports[i]
		p.Protocol, p.Mode = cmp.Or(p.Protocol, "tcp"), cmp.Or(p.Mode, "ingress")
	}
	for i := range sp.Networks {
		sp.Networks[i].Aliases = sorted(sp.Networks[i].Aliases)
	}
	slices.SortStableFunc(sp.Networks, func(a, b NetworkAttachment) int { return strings.Compare(a.Name, b.Name) })
	for i := range sp.Configs {
		c := &sp.Configs[i]
		defaultFile(&c.Target, "/"+c.Source, &c.UID, &c.GID, &c.Mode)
	}
	slices.SortStableFunc(sp.Configs, func(a, b ConfigMount) int { return strings.Compare(a.ListKey(), b.ListKey()) })
	for i := range sp.Secrets {
		c := &sp.Secrets[i]
		defaultFile(&c.Target, c.Source, &c.UID, &c.GID, &c.Mode)
	}
	slices.SortStableFunc(sp.Secrets, func(a, b SecretMount) int { return strings.Compare(a.ListKey(), b.ListKey()) })
	for i := range sp.Mounts {
		sp.Mounts[i].normalise()
	}
	slices.SortStableFunc(sp.Mounts, func(a, b Mount) int { return strings.Compare(a.Target, b.Target) })
	if sp.Resources == nil {
		sp.Resources = &Resources{}
	}
	sp.Resources.Limits.Pids = max(0, sp.Resources.Limits.Pids) // -1 is no limit, as 0 is
	sp.defaultRestart()
	if sp.Placement == nil {
		sp.Placement = &Placement{}
	}
	for i, c := range sp.Placement.Constraints {
		sp.Placement.Constraints[i] = NormalConstraint(c)
	}
	sp.Placement.Constraints = sorted(sp.Placement.Constraints)
	if sp.Job() {
		// The swarm rolls out no updates of jobs. It keeps a rollback config that stack deploy sent, and never reads it.
		sp.UpdateConfig, sp.RollbackConfig = nil, nil
	} else {
		defaultUpdate(&sp.UpdateConfig)
		defaultUpdate(&sp.RollbackConfig)
	}
	if sp.StopGracePeriod == nil {
		d := Duration(10 * time.Second)
		sp.StopGracePeriod = &d
	}
	if sp.Logging != nil && sp.Logging.Driver == "" && len(sp.Logging.Options) == 0 {
		sp.Logging = nil
	}
	if sp.Init != nil && !*sp.Init {
		sp.Init = nil
	}
	sp.CapAdd, sp.CapDrop = normalCapabilities(sp.CapAdd), normalCapabilities(sp.CapDrop)
	sp.defaultMore()
}

func sorted[S ~[]string](list S) S {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func defaultFile(target *string, name string, uid, gid *string, mode **FileMode) {
	*target, *uid, *gid = cmp.Or(*target, name), cmp.Or(*uid, "0"), cmp.Or(*gid, "0")
	if *mode == nil {
		m := FileMode(0o444)
		*mode = &m
	}
}

func (h *Healthcheck) normal() *Healthcheck {
	switch {
	case h == nil:
		return nil
	case h.Disable || (len(h.Test) == 1 && h.Test[0] == "NONE"):
		return &Healthcheck{Test: HealthTest{"NONE"}}
	case len(h.Test) == 0 && h.Interval == 0 && h.Timeout == 0 && h.StartPeriod == 0 && h.StartInterval == 0 && h.Retries == 0:
		return nil
	}
	return h
}

func (s *ServiceSpec) defaultRestart() {
	if s.RestartPolicy == nil {
		s.RestartPolicy = &RestartPolicy{}
	}
	r := s.RestartPolicy
	r.Condition = cmp.Or(r.Condition, "any")
	if s.Job() && r.Condition == "any" {
		// SwarmKit restarts no task of a job that has completed, so both values mean the same for jobs
		// (orchestrator/restart).
		r.Condition = "on-failure"
	}
	if r.Delay == nil {
		d := Duration(5 * time.Second)
		r.Delay = &d
	}
}

func defaultUpdate(u **UpdateConfig) {
	if *u == nil {
		*u = &UpdateConfig{}
	}
	c := *u
	if c.Parallelism == nil {
		one := uint64(1)
		c.Parallelism = &one
	}
	c.FailureAction = cmp.Or(c.FailureAction, "pause")
	c.Order = cmp.Or(c.Order, "stop-first")
	c.Monitor = cmp.Or(c.Monitor, Duration(5*time.Second))
}

// NormalImage returns the familiar form of a reference, with :latest if it states neither tag nor digest. For
// example, bb, bb:latest and docker.io/library/bb:latest are one image. A text that is no reference is returned as it
// is.
func NormalImage(image string) string {
	if normal, ok := normalImages.Load(image); ok {
		return normal.(string)
	}
	normal := normalImage(image)
	// Sources name few images, and parsing them is the most expensive part of a normal form. The bound is for hostile
	// sources.
	if normalImageCount.Add(1) < 10_000 {
		normalImages.Store(image, normal)
	}
	return normal
}

var (
	normalImages     sync.Map
	normalImageCount atomic.Int64
)

func normalImage(image string) string {
	named, err := reference.ParseDockerRef(image)
	if err != nil {
		return image
	}
	// ParseDockerRef drops the tag if there is also a digest; keep the tag for readers.
	if full, err := reference.ParseNormalizedNamed(image); err == nil {
		if _, both := full.(reference.Tagged); both {
			named = full
		}
	}
	return reference.FamiliarString(named)
}

// SameImage reports whether have is the image that want asks for: the same repository, and the same digest if want
// states one, otherwise the same tag.
func SameImage(have, want string) bool {
	// In the usual case a client added a digest to the tag that is wanted; that needs no parsing.
	if bare, _, _ := strings.Cut(have, "@"); have == want || bare == want {
		return true
	}
	h, errH := reference.ParseNormalizedNamed(have)
	w, errW := reference.ParseNormalizedNamed(want)
	if errH != nil || errW != nil || h.Name() != w.Name() {
		return false
	}
	if digested, ok := w.(reference.Digested); ok {
		live, ok := h.(reference.Digested)
		return ok && live.Digest() == digested.Digest()
	}
	h, w = reference.TagNameOnly(dropDigest(h)), reference.TagNameOnly(w)
	return h.String() == w.String()
}

func dropDigest(n reference.Named) reference.Named {
	if _, ok := n.(reference.Digested); !ok {
		return n
	}
	bare := reference.TrimNamed(n)
	if t, ok := n.(reference.Tagged); ok {
		if tagged, err := reference.WithTag(bare, t.Tag()); err == nil {
			return tagged
		}
	}
	return bare
}

func normalCapabilities(list []string) []string {
	for i, c := range list {
		c = strings.ToUpper(c)
		if c != "ALL" && !strings.HasPrefix(c, "CAP_") {
			c = "CAP_" + c
		}
		list[i] = c
	}
	return sorted(list)
}
