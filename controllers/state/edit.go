package state

import (
	"context"
	"errors"
)

// edits is how often Edit tries again because somebody else wrote the memory in between.
const edits = 5

// Edit reads the memory, changes it and writes it. If somebody else wrote in between, it does all of that again, so
// change may be called more than once. change gets what was found, with Sequence 0 if there is no memory, and a copy
// that it may change. A memory that did not change is not written. Edit fails if change fails.
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
