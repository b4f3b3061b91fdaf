package git

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-git/go-git/v5/plumbing"
	gitobject "github.com/go-git/go-git/v5/plumbing/object"
)

func (r *repository) log(ctx context.Context, from, to string, limit int) ([]Commit, error) {
	tip, err := r.at(ctx, to)
	if err != nil {
		return nil, err
	}
	if from == "" {
		tip.Tree = nil
		return []Commit{tip}, nil
	}
	if _, err := r.at(ctx, from); err != nil {
		return nil, err
	}
	w, err := r.walk(ctx, from, to)
	if err == nil {
		err = w.settle()
	}
	if err != nil {
		return nil, fmt.Errorf("listing the commits of %s between %s and %s: %w", r.name, from, to, err)
	}
	var out []Commit
	line := w.firstParents(plumbing.NewHash(to))
	for _, c := range w.order {
		if w.seen[c.Hash] == fromNewer && len(out) < limit {
			one := summary(c)
			one.Merged = !line[c.Hash]
			out = append(out, one)
		}
	}
	return out, nil
}

func (r *repository) isAncestor(ctx context.Context, older, newer string) (bool, error) {
	for _, h := range []string{newer, older} {
		if _, err := r.at(ctx, h); err != nil {
			return false, err
		}
	}
	w, err := r.walk(ctx, older, newer)
	if err != nil {
		return false, fmt.Errorf("asking whether %s is an ancestor of %s in %s: %w", older, newer, r.name, err)
	}
	if w.seen[plumbing.NewHash(older)]&fromNewer != 0 {
		return true, nil
	}
	if w.truncated {
		return false, fmt.Errorf("asking whether %s is an ancestor of %s in %s: %w", older, newer, r.name, ErrShallow)
	}
	return false, nil
}

// These constants say from which of the two commits a commit was reached.
const (
	fromNewer = 1 << iota
	fromOlder
	fromBoth = fromNewer | fromOlder
)

// walk goes back from two commits at once, the newest first, as git's merge-base does. It ends when everything left
// to visit was reached from both, because then all commits behind were, too.
type walk struct {
	ctx       context.Context
	r         *repository
	cut       map[plumbing.Hash]bool // where a shallow clone ends
	seen      map[plumbing.Hash]int
	queued    map[plumbing.Hash]bool
	visited   map[plumbing.Hash]bool
	order     []*gitobject.Commit // in the order of visits
	queue     queue
	open      int // commits in the queue that were not reached from both
	truncated bool
}

func (r *repository) walk(ctx context.Context, older, newer string) (*walk, error) {
	cut, err := r.shallow()
	if err != nil {
		return nil, err
	}
	w := &walk{ctx: ctx, r: r, cut: cut, seen: map[plumbing.Hash]int{}, queued: map[plumbing.Hash]bool{}, visited: map[plumbing.Hash]bool{}}
	err = errors.Join(w.reach(plumbing.NewHash(newer), fromNewer), w.reach(plumbing.NewHash(older), fromOlder))
	for err == nil && w.open > 0 {
		err = w.visit(heap.Pop(&w.queue).(*gitobject.Commit))
	}
	return w, err
}

// settle goes on for a while behind the end of the walk. If clocks were wrong, the walk may have visited a commit too
// early: it was reached from newer alone, and only later a descendant of it was reached from older as well.
func (w *walk) settle() error {
	oldest := time.Now()
	for _, c := range w.order {
		if w.seen[c.Hash] == fromNewer && c.Committer.When.Before(oldest) {
			oldest = c.Committer.When
		}
	}
	for left := 256; left > 0 && len(w.queue) > 0; {
		c := heap.Pop(&w.queue).(*gitobject.Commit)
		if c.Committer.When.Before(oldest) {
			left--
		}
		if err := w.visit(c); err != nil {
			return w.ctx.Err() // an object missing this far back decides nothing
		}
	}
	return nil
}

// firstParents returns the line of first parents that begins with the newer commit tip. It ends before the first commit
// that was reached from older as well, because everything behind that one was, too.
func (w *walk) firstParents(tip plumbing.Hash) map[plumbing.Hash]bool {
	visited := make(map[plumbing.Hash]*gitobject.Commit, len(w.order))
	for _, c := range w.order {
		visited[c.Hash] = c
	}
	line := map[plumbing.Hash]bool{}
	for c := visited[tip]; c != nil && w.seen[c.Hash] == fromNewer; {
		line[c.Hash] = true
		if len(c.ParentHashes) == 0 || w.cut[c.Hash] {
			break
		}
		c = visited[c.ParentHashes[0]]
	}
	return line
}

// visit passes on to a commit's parents what the commit was reached from.
func (w *walk) visit(c *gitobject.Commit) error {
	w.queued[c.Hash] = false
	if w.seen[c.Hash] != fromBoth {
		w.open--
	}
	if !w.visited[c.Hash] {
		w.visited[c.Hash] = true
		w.order = append(w.order, c)
	}
	if w.cut[c.Hash] {
		w.truncated = true
		return nil
	}
	for _, parent := range c.ParentHashes {
		if err := w.reach(parent, w.seen[c.Hash]); err != nil {
			return err
		}
	}
	return nil
}

// reach records from where a commit was reached, and queues it if that is new.
func (w *walk) reach(h plumbing.Hash, from int) error {
	before := w.seen[h]
	if before|from == before {
		return nil
	}
	w.seen[h] |= from
	if w.queued[h] {
		if w.seen[h] == fromBoth {
			w.open--
		}
		return nil
	}
	c, err := w.r.commit(w.ctx, h)
	if err != nil {
		return err
	}
	heap.Push(&w.queue, c)
	w.queued[h] = true
	if w.seen[h] != fromBoth {
		w.open++
	}
	return nil
}

// queue is a heap of commits with the newest on top.
type queue []*gitobject.Commit

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].Committer.When.After(q[j].Committer.When) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(*gitobject.Commit)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return c
}
