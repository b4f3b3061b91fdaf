// Package docs tests what the README and the documentation say, by doing it.
//
// Each fenced block of README.md, SECURITY.md, CONTRIBUTING.md and docs/ runs, in the order of its page. It runs in a
// shell with the built commands on its PATH, a fresh embedded swarm as DOCKER_HOST and an empty home directory. The
// words after the three backticks say what a block is:
//
//	sh                commands, which must succeed; with exit=N the last one exits with N; with daemon it is
//	                  one command, which goes on beside the following ones; instead ends the earlier ones
//	console           lines of "$ command" with what they print, which must be what they print here; exit=N as above
//	yaml              manifests, which are loaded and planned; file=PATH also writes them there for the next commands
//	text commit       a commit message, whose Consent trailers must be understood
//
// What differs from run to run is compared by its form: see varies. A line that is only "…" stands for any lines. An
// HTML comment that begins with "test/docs" holds commands that a reader does not see; they make what a page takes as
// given. Blocks that cannot run here are listed in exceptions, each with its reason. They are checked as far as
// possible.
//
// Lines of make are not run, because the gate runs them. Their targets must exist. The test never talks to a real
// engine. With -write it puts into the pages what commands print here, wherever that differs from the page.
package docs

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/kinds"
	"github.com/swarm-operator/swarm-operator/controllers/kinds/all"
	"github.com/swarm-operator/swarm-operator/controllers/revisions"
	"github.com/swarm-operator/swarm-operator/diff"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Load reads the manifests of a directory. It fails if one of them has a problem.
func Load(files fs.FS) ([]kinds.Entry, error) {
	set, problems := revisions.NewLoader(nil).Load(files, ".")
	errs := make([]error, 0, len(problems))
	for _, p := range problems {
		errs = append(errs, errors.New(p.String()))
	}
	entries := make([]kinds.Entry, 0, len(set.Entries))
	for _, e := range set.Entries {
		entries = append(entries, kinds.Entry{Object: e.Object, From: diff.From{File: e.File, Line: e.Line}})
	}
	return entries, errors.Join(errs...)
}

// Plan loads the manifests of a directory and plans them for an empty swarm in which everything exists that others
// make. It fails if a manifest has a problem, if nothing is planned, or if a guard refuses something for good.
func Plan(files fs.FS) (plan.Plan, error) {
	entries, err := Load(files)
	if err != nil {
		return plan.Plan{}, err
	}
	ix := kinds.NewIndex(nil, func(*kinds.Live) []kinds.Ref { return nil })
	wants := kinds.Expand(all.Kinds(), entries, ix, kinds.Source{Name: "examples", Contents: digests.Salted{Salt: []byte("key")}}, nil)
	changes := diff.Compare(nil, wants.States, all.Rules)
	p := plan.Build(changes, plan.Facts{APIVersion: "1.56"}, plan.Policy{Source: "examples", Budgets: plan.DefaultBudgets(), Engines: plan.Engines{Sockets: []string{"/tmp/sb/*"}}}, all.Part())
	needed := func(e kinds.Entry) bool { // nobody has to make nodes
		kind := e.Object.Key().Kind
		return kind != v1.KindNode && kind != v1.KindNodeSet
	}
	if len(entries) == 0 || (len(p.Steps) == 0 && slices.ContainsFunc(entries, needed)) {
		return p, errors.New("nothing is planned")
	}
	for _, r := range p.Refused {
		if r.Class != plan.Later && !r.Unmatched() { // there are no nodes here
			return p, fmt.Errorf("%s is refused by %s: %s", r.Key, r.Guard, r.Why)
		}
	}
	return p, nil
}
