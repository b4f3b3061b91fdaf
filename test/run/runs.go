package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
)

// runs are groups under test, with their results. Groups in different lanes run side by side.
type runs struct {
	o       options
	s       *summary
	mu      sync.Mutex
	started []*groupRun
	ended   []result // in the order in which they ended
	last    map[int]chan struct{}
	failed  error // the error of the report
	work    sync.WaitGroup
}

type groupRun struct {
	group
	result result
	err    error
}

// tested runs the groups, and what completes the run that the options name. Then it runs alone the tests that failed
// on a busy machine.
func tested(ctx context.Context, groups []group, o options, s *summary) (*report, int, error) {
	r := &runs{o: o, s: s, last: map[int]chan struct{}{}}
	err := r.keep(&report{}) // a follower must not take an earlier run's report for this one's
	if err != nil {
		return nil, 1, err
	}
	r.start(ctx, groups)
	if o.rest != "" {
		err = r.follow(ctx, o.rest)
	}
	r.work.Wait()
	if err = cmp.Or(err, r.failed); err != nil {
		return nil, 1, err
	}
	code := 0
	var results []result
	for _, g := range r.started {
		if g.err != nil {
			return nil, 1, g.err
		}
		if err := g.again(ctx, o.noSkip, s, &g.result); err != nil {
			return nil, 1, err
		}
		code = cmp.Or(code, g.result.code)
		results = append(results, g.result)
	}
	if o.noSkip && code == 0 && s.skipped > 0 {
		code = 1
		fmt.Fprintln(s.out, "NO_SKIP is set, and tests were skipped")
	}
	out := s.report(results)
	out.Ended = true
	s.end()
	out.show(s.out)
	if o.noSkip {
		fmt.Fprintln(s.out, out.closing())
	}
	return out, code, r.keep(out)
}

// start begins each group when the group before it in its lane has ended.
func (r *runs) start(ctx context.Context, groups []group) {
	for _, g := range groups {
		r.s.print("\n%s: go test %s, %s%s\n", g.name, strings.Join(g.flags, " "), counted(len(g.packages), "package"), g.why)
		run, before, ended := &groupRun{group: g}, r.last[g.lane], make(chan struct{})
		r.last[g.lane] = ended
		r.started = append(r.started, run)
		r.work.Go(func() {
			defer close(ended)
			if before != nil {
				<-before
			}
			run.result, run.err = run.test(ctx, r.o.noSkip, r.s)
			if run.err == nil {
				r.end(run.result)
			}
		})
	}
}

// end saves the results so far, for a run that completes this one.
func (r *runs) end(of result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, of)
	r.failed = cmp.Or(r.failed, r.keep(r.s.report(r.ended)))
}

func (r *runs) keep(what *report) error {
	if r.o.report == "" {
		return nil
	}
	return what.write(r.o.report)
}
