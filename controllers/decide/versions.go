package decide

import (
	"maps"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// versions are the versions of services as a run saw them. There are as many as services, and a run changes few of
// them. So its changes are kept beside what was known before, until keep.
type versions struct {
	known map[v1.Key]uint64 // known is shared with clones, which do not write it
	fresh map[v1.Key]uint64
	gone  map[v1.Key]bool
}

// has reports whether a service is known.
func (v *versions) has(key v1.Key) bool {
	_, fresh := v.fresh[key]
	_, known := v.known[key]
	return fresh || known && !v.gone[key]
}

// see notes the version of a service, and reports whether it differs from the known one. It does if none is known.
func (v *versions) see(key v1.Key, version uint64) bool {
	before, is := v.fresh[key]
	if !is && !v.gone[key] {
		before, is = v.known[key]
	}
	if is && before == version {
		return false
	}
	if v.fresh == nil {
		v.fresh = map[v1.Key]uint64{}
	}
	v.fresh[key] = version
	return true
}

// count returns how many services are known.
func (v *versions) count() int {
	n := len(v.known) - len(v.gone)
	for key := range v.fresh {
		if _, known := v.known[key]; !known || v.gone[key] {
			n++
		}
	}
	return n
}

// only forgets all services except those in there.
func (v *versions) only(there map[v1.Key]bool) {
	maps.DeleteFunc(v.fresh, func(k v1.Key, _ uint64) bool { return !there[k] })
	for key := range v.known {
		if !there[key] {
			if v.gone == nil {
				v.gone = map[v1.Key]bool{}
			}
			v.gone[key] = true
		}
	}
}

// keep makes what a run saw the known versions. Clones from before must not be used afterwards.
func (v *versions) keep() {
	if v.known == nil {
		v.known = map[v1.Key]uint64{}
	}
	for key := range v.gone {
		delete(v.known, key)
	}
	maps.Copy(v.known, v.fresh)
	v.fresh, v.gone = nil, nil
}

func (v *versions) clone() versions {
	return versions{v.known, maps.Clone(v.fresh), maps.Clone(v.gone)}
}
