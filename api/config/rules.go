package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// Modes of guardrails.
const (
	Deny = "deny"
	Warn = "warn"
)

// RuleNames returns the names of all rules of guardrails, in the order of the reference.
func RuleNames() []string { return rules(&Guardrails{}, func(reflect.Value) bool { return true }) }

// Stated returns the names of the rules that the file states, in the order of the reference. A list that is empty is
// stated, because it allows nothing.
func (g *Guardrails) Stated() []string {
	return rules(g, func(v reflect.Value) bool {
		if v.Kind() == reflect.Slice {
			return !v.IsNil()
		}
		return !v.IsZero()
	})
}

// rules returns the names of the rules whose value in a file is one of those that keep returns true for.
func rules(g *Guardrails, keep func(reflect.Value) bool) []string {
	var out []string
	all := reflect.ValueOf(*g)
	for i := range all.NumField() {
		name, v := jsonName(all.Type().Field(i)), all.Field(i)
		switch {
		case name == "mode" || name == "exceptions":
		case v.Kind() == reflect.Pointer:
			part := reflect.New(v.Type().Elem()).Elem()
			if !v.IsNil() {
				part = v.Elem()
			}
			for j := range part.NumField() {
				if keep(part.Field(j)) {
					out = append(out, name+"."+jsonName(part.Type().Field(j)))
				}
			}
		case keep(v):
			out = append(out, name)
		}
	}
	return out
}

// isRule reports whether a name is that of a rule or of a part of the file with rules.
func isRule(name string) bool {
	return slices.ContainsFunc(RuleNames(), func(r string) bool { return r == name || strings.HasPrefix(r, name+".") })
}

var allKinds = v1.ManifestKinds()

// Validate returns everything that is wrong with the file.
func (g *Guardrails) Validate() []v1.Problem {
	var ps problems
	if g.Mode != "" && g.Mode != Deny && g.Mode != Warn {
		ps.add("mode", "%q is not one of %s, %s", g.Mode, Deny, Warn)
	}
	for i, kind := range g.Kinds {
		ps.kind(element("kinds", i), kind)
	}
	for i, field := range g.Fields {
		kind, path, ok := strings.Cut(field, " ")
		if !ok || strings.TrimSpace(path) != path || path == "" {
			ps.add(element("fields", i), "%q is not KIND PATH, such as Service spec.user", field)
			continue
		}
		if ps.kind(element("fields", i), kind); slices.Contains(allKinds, kind) {
			if why := v1.UnknownField(kind, path); why != "" {
				ps.add(element("fields", i), "a %s has no field %s", kind, why)
			}
		}
	}
	if len(g.Stated()) == 0 {
		ps.add("", "states no rule, so that everything would be allowed; state one, or name no guardrails")
	}
	ps.parts(g)
	for i, e := range g.Exceptions {
		ps.exception(element("exceptions", i), e)
	}
	return ps
}

func element(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

func (ps *problems) kind(at, kind string) {
	if !slices.Contains(allKinds, kind) {
		ps.add(at, "%q is not one of %s%s", kind, strings.Join(allKinds, ", "), v1.DidYouMean(kind, allKinds))
	}
}

// parts checks the values in the parts of the file.
func (ps *problems) parts(g *Guardrails) {
	if g.Labels != nil {
		ps.each("labels.prefixes", g.Labels.Prefixes, notEmpty)
		ps.each("labels.required", g.Labels.Required, notEmpty)
	}
	if g.Images != nil {
		ps.each("images.from", g.Images.From, notEmpty)
		ps.each("images.noTags", g.Images.NoTags, tag)
	}
	if g.Mounts != nil {
		ps.each("mounts.types", g.Mounts.Types, among("volume", "bind", "tmpfs", "npipe", "cluster"))
		ps.binds(g.Mounts)
	}
	if g.Ports != nil {
		ps.each("ports.published", g.Ports.Published, portSpan)
	}
	if g.Networks != nil {
		ps.each("networks.subnets", g.Networks.Subnets, func(s string) error {
			if _, err := netip.ParsePrefix(s); err != nil {
				return fmt.Errorf("%q is not an address range such as 10.0.0.0/8", s)
			}
			return nil
		})
	}
	if g.Placement != nil {
		constraint := func(s string) error { _, err := v1.ParseConstraint(s); return err }
		ps.each("placement.require", g.Placement.Require, constraint)
		ps.each("placement.forbid", g.Placement.Forbid, constraint)
	}
	if r := g.Resources; r != nil {
		most(ps, "resources.memory", r.Memory)
		most(ps, "resources.cpus", r.CPUs)
		most(ps, "resources.pids", r.Pids)
		most(ps, "resources.replicas", r.Replicas)
	}
	if g.Nodes != nil {
		most(ps, "nodes.managers", g.Nodes.Managers)
		ps.each("nodes.roles", g.Nodes.Roles, among(v1.RoleManager, v1.RoleWorker))
		ps.each("nodes.engines", g.Nodes.Engines, enginePattern)
	}
}

// most adds a problem if the most that is allowed is less than 1. Services without any memory or process do not run, and to
// the swarm a limit of 0 is none, so nobody knows what such a rule is to mean.
func most[T interface {
	~int | ~int64 | ~uint64
}](ps *problems, at string, n *T,
) {
	if n != nil && *n <= 0 {
		ps.add(at, "%v is no maximum; state the most that is allowed, which is more than 0, or remove this line", *n)
	}
}

// each adds a problem for each entry of a list that check does not like.
func (ps *problems) each(at string, list []string, check func(string) error) {
	for i, text := range list {
		if err := check(text); err != nil {
			ps.add(element(at, i), "%s", err)
		}
	}
}

var isTag = regexp.MustCompile(`^[0-9A-Za-z_][0-9A-Za-z_.-]{0,127}$`)

// tag checks a tag that is not allowed. A pattern would match none.
func tag(s string) error {
	if !isTag.MatchString(s) {
		return fmt.Errorf("%q is not a tag, such as latest; patterns have no meaning here", s)
	}
	return nil
}

func notEmpty(s string) error {
	if s == "" {
		return errors.New("is empty, which would allow everything")
	}
	return nil
}

func among(words ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(words, s) {
			return fmt.Errorf("%q is not one of %s%s", s, strings.Join(words, ", "), v1.DidYouMean(s, words))
		}
		return nil
	}
}

func portSpan(text string) error {
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	first, errFirst := strconv.ParseUint(low, 10, 16)
	last, errLast := strconv.ParseUint(high, 10, 16)
	if errFirst != nil || errLast != nil || first == 0 || first > last {
		return fmt.Errorf("%q is not a port, nor a range such as 8000-8999", text)
	}
	return nil
}

// binds checks directories that may be mounted. None may be below one that a service can write to, because the service
// could put a link to anywhere in its place.
func (ps *problems) binds(r *MountRules) {
	for i, entry := range r.Binds {
		dir := strings.TrimSuffix(entry, "/*")
		if entry == "/*" {
			dir = "/"
		}
		before := len(*ps)
		if ps.absolute(element("mounts.binds", i), dir); strings.Contains(dir, "*") {
			ps.add(element("mounts.binds", i), "%q may have a * only in place of its last name, as in /srv/shop/*", entry)
		}
		if len(*ps) > before || r.ReadOnlyBinds || slices.Contains(r.Binds, "/") {
			continue
		}
		for _, other := range r.Binds {
			if writable(other, entry) {
				ps.add(element("mounts.binds", i), "%s may become a link to anywhere, because services may write to what %s allows; state one of the two, or readOnlyBinds", entry, other)
				break
			}
		}
	}
}

// writable reports whether a service that mounts what one entry allows can replace a directory on the way to what another
// entry allows.
func writable(entry, other string) bool {
	parent, children := strings.CutSuffix(entry, "/*")
	way, _ := strings.CutSuffix(other, "/*")
	rest, below := strings.CutPrefix(way, parent+"/")
	switch {
	case children && other != way: // /a/* and /a/b/*
		return below
	case children: // /a/* and /a/b/c
		return below && strings.Contains(rest, "/")
	case other != way: // /a and /a/*
		return below || way == parent
	}
	return below // /a and /a/b
}

func enginePattern(text string) error {
	scheme, rest, _ := strings.Cut(text, "://")
	if !slices.Contains([]string{"unix", "tcp", "ssh"}, scheme) || rest == "" || scheme == "tcp" && strings.Contains(rest, "@") {
		return fmt.Errorf("%q is not a pattern of unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST[:PORT]", text)
	}
	return nil
}

func (ps *problems) exception(at string, e Exception) {
	if key, err := v1.ParseKey(e.Object); err != nil {
		ps.add(at+".object", "%s", err)
	} else {
		if ps.kind(at+".object", key.Kind); strings.ContainsAny(key.Name, "*?") {
			ps.add(at+".object", "%q is a pattern, and an exception is for one object: state KIND/NAME, one exception for each object", e.Object)
		}
	}
	if len(e.Rules) == 0 {
		ps.add(at+".rules", "is missing: it names the rules that do not count")
	}
	for i, name := range e.Rules {
		if !isRule(name) {
			ps.add(element(at+".rules", i), "%q is not a rule%s", name, v1.DidYouMean(name, RuleNames()))
		}
	}
	if _, err := time.Parse(time.DateOnly, e.Until); err != nil {
		ps.add(at+".until", "%q is not a day such as 2027-03-31", e.Until)
	}
	if strings.TrimSpace(e.Reason) == "" {
		ps.add(at+".reason", "is missing")
	}
}
