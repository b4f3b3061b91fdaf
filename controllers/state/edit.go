package state

import (
	"context"
	"errors"
	"fmt"
)

// edits is how often Edit tries again because somebody else wrote the memory in between.
const edits = 5

// Edit reads the memory, changes it and writes it. If somebody else wrote in between, it does all of that again, so
// change may be called more than once. change gets what was found, with Sequence 0 if there is no memory, and a copy
// that it may change. A memory that did not change is not written. Edit fails if change fails, or if not all of the memory can be
// read.
func (s *Store) Edit(ctx context.Context, change func(found Found, m *Memory) error) error {
	return s.edit(ctx, func(found Found, m *Memory) error {
		if damage := found.Damage(s.source); damage != "" {
			return fmt.Errorf("%s; to go on with what can be read: swarm-operator confirm %s", damage, s.source)
		}
		return change(found, m)
	})
}

// Confirm is Edit for a person who says that what is found is right. Configs that cannot be read are then out of use.
func (s *Store) Confirm(ctx context.Context, change func(found Found, m *Memory) error) error {
	return s.edit(ctx, change)
}

func (s *Store) edit(ctx context.Context, change func(found Found, m *Memory) error) error {
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
