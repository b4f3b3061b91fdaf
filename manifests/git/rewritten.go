package git

import (
	"context"
	"errors"
	"fmt"
)

// TakenBack counts the commits that lead to tip and not to next. It returns the newest of them, at most limit and
// without Tree. There are none if next descends from tip, as it does after an ordinary push. There are some after a
// forced push, and if next is older.
//
// The error is ErrGone if tip is not in the repository. As the whole history of next is there, next does not descend
// from tip. The error is ErrShallow if a shallow clone cannot tell, and ErrNoHistory for a plain directory.
func (s *Source) TakenBack(ctx context.Context, tip, next string, limit int) (newest []Commit, count int, err error) {
	h, ok := s.backend.(historian)
	if !ok {
		return nil, 0, fmt.Errorf("comparing the history of %s: %w", s, ErrNoHistory)
	}
	return h.takenBack(ctx, tip, next, limit)
}

func (r *repository) takenBack(ctx context.Context, tip, next string, limit int) ([]Commit, int, error) {
	fail := func(err error) ([]Commit, int, error) {
		return nil, 0, fmt.Errorf("listing the commits of %s that lead to %s and not to %s: %w", r.name, tip, next, err)
	}
	if _, err := r.at(ctx, next); err != nil {
		return fail(err)
	}
	if _, err := r.at(ctx, tip); err != nil {
		cut, cutErr := r.shallow()
		if cutErr == nil && len(cut) > 0 && errors.Is(err, ErrGone) { // tip may lie beyond the end of the clone
			err = ErrShallow
		}
		return fail(errors.Join(err, cutErr))
	}
	w, err := r.walk(ctx, next, tip)
	truncated := err == nil && w.truncated // behind the end of the walk are commits that both have
	if err == nil {
		err = w.settle()
	}
	if err != nil {
		return fail(err)
	}
	var newest []Commit
	count := 0
	for _, c := range w.order {
		if w.seen[c.Hash] != fromNewer {
			continue
		}
		if count++; len(newest) < limit {
			newest = append(newest, summary(c))
		}
	}
	if count > 0 && truncated {
		return fail(ErrShallow)
	}
	return newest, count, nil
}
