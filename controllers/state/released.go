package state

import (
	"maps"
	"slices"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// GaveUp reports whether the source gave an object up.
func (m Memory) GaveUp(k v1.Key) bool { return m.ReleasedAll || slices.Contains(m.Released, k) }

// GivenUp returns the ids of the objects on record that the source gave up, in no order.
func (m Memory) GivenUp() (ids []string) {
	if !m.ReleasedAll && len(m.Released) == 0 {
		return nil
	}
	for id, key := range m.Made {
		if m.GaveUp(key) {
			ids = append(ids, id)
		}
	}
	for id, a := range m.Adopted {
		if m.GaveUp(a.Key) {
			ids = append(ids, id)
		}
	}
	return ids
}

// Managed returns the records of objects that the source has and did not give up.
func (m Memory) Managed() (made map[string]v1.Key, adopted map[string]Adopted) {
	switch {
	case m.ReleasedAll:
		return nil, nil
	case len(m.Released) == 0:
		return m.Made, m.Adopted
	}
	m.ForgetRecords(func(_ string, k v1.Key) bool { return slices.Contains(m.Released, k) })
	return m.Made, m.Adopted
}

// Has reports whether objects of a kind are on record, whether or not they are managed.
func (m Memory) Has(kind string) bool {
	for _, key := range m.Made {
		if key.Kind == kind {
			return true
		}
	}
	for _, a := range m.Adopted {
		if a.Key.Kind == kind {
			return true
		}
	}
	return false
}

// ForgetRecords drops the records of objects for which gone returns true.
func (m *Memory) ForgetRecords(gone func(id string, k v1.Key) bool) {
	m.Made = Without(m.Made, gone)
	m.Adopted = Without(m.Adopted, func(id string, a Adopted) bool { return gone(id, a.Key) })
}

// With returns the records of both. It returns the same map if there are no more of them, and nil if there are none.
func With[V any](all, more map[string]V) map[string]V {
	switch {
	case len(all)+len(more) == 0:
		return nil
	case len(more) == 0:
		return all
	}
	out := make(map[string]V, len(all)+len(more))
	maps.Copy(out, all)
	maps.Copy(out, more)
	return out
}

// Without returns the entries for which gone returns false. It returns the same map if that is all of them, and nil if
// there are none.
func Without[V any](all map[string]V, gone func(string, V) bool) map[string]V {
	for id, v := range all {
		if !gone(id, v) {
			continue
		}
		all = maps.Clone(all)
		maps.DeleteFunc(all, gone)
		break
	}
	if len(all) == 0 {
		return nil
	}
	return all
}

// GiveUp notes that the source gives up the objects that keys name. If keys is empty, it gives up all that it has.
// The source forgets what it remembers of them, except whose they are, and what keeps them when their manifests are gone:
// whoever takes them back must not lose what protects them. That they may go is forgotten, and so is each agreement that names
// them: whoever gives an object up has changed their mind about it.
func (m *Memory) GiveUp(keys []v1.Key) {
	gone := func(k v1.Key) bool { return len(keys) == 0 || slices.Contains(keys, k) }
	m.Keep = maps.Clone(m.Keep)
	maps.DeleteFunc(m.Keep, func(k v1.Key, why string) bool { return gone(k) && why == "" })
	m.Failed = slices.DeleteFunc(slices.Clone(m.Failed), func(f plan.Failure) bool { return gone(f.Key) })
	if len(keys) == 0 {
		m.Released, m.ReleasedAll, m.Consents, m.Approvals = nil, true, nil, nil
		return
	}
	m.Consents, m.Approvals = m.Consents.Without(gone), approved(m.Approvals, gone)
	m.Released = slices.Clone(m.Released)
	for _, k := range keys {
		if !m.GaveUp(k) {
			m.Released = append(m.Released, k)
		}
	}
	slices.SortFunc(m.Released, v1.Key.Compare)
}

// approved returns the approvals without the objects for which gone returns true. It drops those that approve nothing then.
func approved(all []Approval, gone func(v1.Key) bool) []Approval {
	var out []Approval
	for _, a := range all {
		if a.Consents = a.Consents.Without(gone); len(a.Consents) > 0 {
			out = append(out, a)
		}
	}
	return out
}

// TakeBack notes that the source has an object again. It returns false if the source did not give it up by name.
func (m *Memory) TakeBack(key v1.Key) bool {
	i := slices.Index(m.Released, key)
	if i >= 0 {
		m.Released = slices.Delete(slices.Clone(m.Released), i, i+1)
	}
	return i >= 0
}

// TakeAllBack notes that the source has again all that it gave up. It returns false if it gave up nothing.
func (m *Memory) TakeAllBack() bool {
	did := len(m.Released) > 0 || m.ReleasedAll
	m.Released, m.ReleasedAll = nil, false
	return did
}
