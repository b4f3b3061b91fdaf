package state

import (
	"context"
	"errors"
)

// edits is how often a memory is read again because somebody else wrote it in between.
const edits = 5

// Edit reads the memory, changes it and writes it, and does it all again where somebody else wrote in between: change may
// be called more than once. It gets what was found, whose Sequence is 0 where there is no memory, and may change the copy
// that it also gets. What differs in nothing is not written.
func (s *Store) Edit(ctx context.Context, change func(found Found, m *Memory) error) error {
	for try := 1; ; try++ {
		configs, err := Read(ctx, s.engine)
		if err != nil {
			return err
		}
		found, err := s.Find(configs)
		if err != nil {
			return err
		}
		m := found.Memory
		if err := change(found, &m); err != nil {
			return err
		}
		saved, err := s.Save(ctx, found, m)
		if errors.Is(err, ErrConflict) && try < edits {
			continue
		}
		if err != nil {
			return err
		}
		if saved.Sequence != found.Sequence {
			s.Tidy(ctx, saved)
		}
		return nil
	}
}
