package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// restLanes is how many groups of the rest run side by side. Most of them wait for engines.
const restLanes = 4

// restLane is the first of their lanes. No group from split has it.
const restLane = 10

// restParallel is for the tests of one such group, which also mostly wait.
const restParallel = "-parallel=6"

// restOf makes groups of the tests that other groups skipped. Each test keeps the flags that it had there.
func restOf(r *report, of []result) ([]group, error) {
	var out []group
	for _, s := range r.Skipped {
		if isHeavy(s.Test) {
			continue // it runs beside the scenarios on engines, or is left to another commit
		}
		// Before the end, the group may still come.
		if r.Ended && !slices.ContainsFunc(r.Groups, func(g result) bool { return g.Name == s.Group }) {
			return nil, fmt.Errorf("%s.%s is of a group that there is not: %q", s.Package, s.Test, s.Group)
		}
		i := slices.IndexFunc(of, func(g result) bool { return g.Name == s.Group })
		if i < 0 {
			continue
		}
		j := slices.IndexFunc(out, func(g group) bool { return g.packages[0] == s.Package })
		if j < 0 {
			flags := slices.DeleteFunc(slices.Clone(of[i].Flags), func(f string) bool { return strings.HasPrefix(f, "-skip=") })
			flags = append(flags, restParallel, "-run="+exactly(s.Test))
			out = append(out, group{name: "rest of " + s.Package[strings.LastIndex(s.Package, "/")+1:], flags: flags, env: of[i].Env, packages: []string{s.Package}})
			continue
		}
		out[j].flags[len(out[j].flags)-1] += "|" + exactly(s.Test)
	}
	return out, nil
}

// over is the suffix of a file that says that a report's run has died, so that nobody waits for more. Whoever started
// both runs writes that file.
const over = ".over"

// follow completes another run while that run goes on. As soon as one of its groups has ended, the tests that the
// group skipped begin here.
func (r *runs) follow(ctx context.Context, file string) error {
	said, begun := "", map[string]bool{}
	for lane := 0; ; {
		_, notOver := os.Stat(file + over) // check this before reading the report, which is written first
		other, err := readReport(file)
		waiting := file + " has not ended: waiting for it"
		if errors.Is(err, fs.ErrNotExist) {
			if _, err := os.Stat(filepath.Dir(file)); err != nil {
				return fmt.Errorf("waiting for %s: %w", file, err)
			}
			other, waiting = &report{}, file+" is not there yet: waiting for it"
		} else if err != nil {
			return err
		}
		fresh := slices.DeleteFunc(slices.Clone(other.Groups), func(g result) bool { return begun[g.Name] })
		rest, err := restOf(other, fresh)
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		for i := range rest {
			rest[i].lane = restLane + lane%restLanes
			lane++
		}
		r.start(ctx, rest)
		for _, g := range fresh {
			begun[g.Name] = true
		}
		if other.Ended {
			return nil
		}
		if notOver == nil {
			return fmt.Errorf("the run that writes %s died before it was done", file)
		}
		if waiting != said {
			said = waiting
			r.s.print("%s\n", waiting)
		}
		select {
		case <-ctx.Done():
			return errors.New("stopped")
		case <-time.After(time.Second):
		}
	}
}
