package kinds

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Wants has the objects that all manifests of a source ask for.
type Wants struct {
	States []diff.State
	// Missing has an entry for each external object. It is true if the object does not exist.
	Missing map[v1.Key]bool
	// Expanded are the manifests that a kind's Expand made, one for each live object that manifests are about.
	Expanded []Entry
	// Notices are for people.
	Notices []string
	// Unknown are secrets whose live content cannot be compared, because the key that named it is lost.
	Unknown []v1.Key
}

// Expand turns manifests into the objects that they ask for, in the order of kinds. Kinds that others refer to come
// first, because a service names the version of a config and not the config.
func Expand(all []Kind, entries []Entry, ix *Index, src Source, memo *Memo) Wants {
	memo.begin()
	var used []*wantMemo
	w := Wants{Missing: map[v1.Key]bool{}, States: make([]diff.State, 0, len(entries))}
	instances := map[v1.Key]string{}
	live := func(k v1.Key) string {
		if name, ok := instances[k]; ok {
			return name
		}
		return k.Name
	}
	for i := range all {
		k := &all[i]
		owned := versionsOf(k, ix, src, memo)
		made := concerning(k, entries)
		made = slices.DeleteFunc(made, func(e Entry) bool {
			key, external := e.Object.Key(), e.Object.External()
			if external {
				w.Missing[key] = ix.ByName(k.Name, key.Name) == nil
			}
			return external
		})
		if k.Expand != nil {
			var notices []string
			made, notices = k.Expand(made, ix.List(k.Name))
			w.Expanded, w.Notices = append(w.Expanded, made...), append(w.Notices, notices...)
		}
		if k.Versions == nil {
			memos := make([]*wantMemo, len(made))
			inParallel(len(made), func(i int) {
				memos[i] = memo.want(k, made[i], k.instance(made[i]), ix, live)
			})
			for _, m := range memos {
				w.States = append(w.States, m.state)
			}
			used = append(used, memos...)
			continue
		}
		states := make([]chosen, len(made))
		inParallel(len(made), func(i int) {
			states[i] = version{kind: *k, entry: made[i], index: ix, source: src, owned: owned[made[i].Object.Key()]}.choose()
		})
		for _, s := range states {
			instances[s.Key] = s.Instance
			if s.unknown {
				w.Unknown = append(w.Unknown, s.Key)
			}
			w.States = append(w.States, s.State)
		}
	}
	memo.keepWants(used)
	return w
}

// concerning returns the manifests of a kind and of its templates, in a slice that is no larger than it must be. Most
// runs change next to nothing, so what they cost is the memory that they take from the system.
func concerning(k *Kind, entries []Entry) []Entry {
	is := func(e *Entry) bool {
		kind := e.Object.Key().Kind
		return kind == k.Name || slices.Contains(k.Templates, kind)
	}
	n := 0
	for i := range entries {
		if is(&entries[i]) {
			n++
		}
	}
	out := make([]Entry, 0, n)
	for i := range entries {
		if is(&entries[i]) {
			out = append(out, entries[i])
		}
	}
	return out
}

// inParallel calls do for 0 to n-1 on all cores. The calls must not touch each other's results.
func inParallel(n int, do func(i int)) {
	const chunk = 64
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk) {
		all.Go(func() {
			for {
				end := int(next.Add(chunk))
				for i := end - chunk; i < min(end, n); i++ {
					do(i)
				}
				if end >= n {
					return
				}
			}
		})
	}
	all.Wait()
}

// Haves returns live objects in normal form. It leaves out a node's own objects. It also leaves out objects that are
// not the source's, or are of a partial kind, unless a want has their name. wants also tells which versions of
// content have been replaced. A memo must have been through Expand in the same run.
func Haves(all []Kind, ix *Index, src Source, wants []diff.State, memo *Memo) []diff.State {
	seen := 0
	out := make([]diff.State, 0, len(wants))
	for i := range all {
		k := &all[i]
		newest := map[v1.Key]int{}
		ask := asked{kind: k.Name, wants: wants}
		relevant := make([]*haveMemo, 0, len(ix.List(k.Name)))
		for _, l := range ix.List(k.Name) {
			if l.Local {
				continue
			}
			seen++
			h := memo.identify(k, src, l)
			if (!h.state.Meta.Mine || k.Partial) && ask.named(l.Name) == nil {
				continue // it is somebody else's, or nobody's to remove, and nothing here asks for an object of that name
			}
			relevant = append(relevant, h)
		}
		inParallel(len(relevant), func(i int) { relevant[i].normalise(memo, ix) })
		for _, h := range relevant {
			s, l := h.state, h.live
			s.Meta.UsedBy = ix.Users(k.Name, l.ID)
			if k.Versions != nil {
				s.Gen = 0 // what it is to its manifest depends on the other versions
				if s.Meta.Mine {
					instance, stays := ask.instance(s.Key)
					s.Meta.OldVersion = stays && instance != l.Name
					if !stays { // one version of a removed manifest stands for the object, and the others are old
						oldest(&s, newest, out)
					}
				}
				if w := ask.named(l.Name); !s.Meta.Mine && w != nil && w.Note == noteDiffers {
					// The leaf makes a difference that Compare shows without showing content.
					s.Leaves = append(slices.Clip(s.Leaves), diff.Leaf{Path: "spec.data", Type: "spec.data", Key: "secret", Text: "live"})
				}
			}
			out = append(out, s)
		}
	}
	memo.keepHaves(seen)
	return out
}

// asked finds the wants of a kind. Its maps are made when it is first asked. Nobody asks about objects that are all
// the source's own and whose content can change.
type asked struct {
	kind   string
	wants  []diff.State
	byName map[string]*diff.State // by live name
	byKey  map[v1.Key]string
}

func (a *asked) find() {
	if a.byName != nil {
		return
	}
	a.byName, a.byKey = map[string]*diff.State{}, map[v1.Key]string{}
	for i := range a.wants {
		if w := &a.wants[i]; w.Key.Kind == a.kind {
			a.byName[w.Instance], a.byKey[w.Key] = w, w.Instance
		}
	}
}

// named returns the want whose live object has that name, or nil.
func (a *asked) named(name string) *diff.State {
	a.find()
	return a.byName[name]
}

// instance returns the live name that a want asks for, and whether there is such a want.
func (a *asked) instance(key v1.Key) (name string, wanted bool) {
	a.find()
	name, wanted = a.byKey[key]
	return name, wanted
}

// oldest marks one version as old: s, which out is about to get, or the version of the same manifest that out has. It
// marks the older one.
func oldest(s *diff.State, newest map[v1.Key]int, out []diff.State) {
	i, seen := newest[s.Key]
	if !seen {
		newest[s.Key] = len(out)
		return
	}
	other := &out[i]
	if c := other.Meta.Created.Compare(s.Meta.Created); c > 0 || (c == 0 && other.Instance < s.Instance) {
		s.Meta.OldVersion = true
		return
	}
	other.Meta.OldVersion = true
	newest[s.Key] = len(out)
}

// versionsOf returns the source's own objects of a kind by the manifest that they belong to, newest first. It returns
// nil if the kind has no versions.
func versionsOf(k *Kind, ix *Index, src Source, memo *Memo) map[v1.Key][]*Live {
	if k.Versions == nil {
		return nil
	}
	owned := map[v1.Key][]*Live{}
	for _, l := range ix.List(k.Name) {
		if s := memo.identify(k, src, l).state; s.Meta.Mine {
			owned[s.Key] = append(owned[s.Key], l)
		}
	}
	for _, list := range owned {
		slices.SortFunc(list, func(a, b *Live) int {
			if c := b.Created.Compare(a.Created); c != 0 {
				return c
			}
			return strings.Compare(a.Name, b.Name)
		})
	}
	return owned
}

const noteDiffers = "its content differs or cannot be compared"

// version chooses the live name of a content: the name in force while the content is the same, and a new one
// otherwise.
type version struct {
	kind   Kind
	entry  Entry
	index  *Index
	source Source
	owned  []*Live
}

type chosen struct {
	diff.State
	unknown bool
}

func (v version) choose() chosen {
	key := v.entry.Object.Key()
	content := v.entry.Object.(v1.ContentHolder).Content().Reveal()
	fresh := key.Name + "-(new)" // nothing is going to be written, or there would be a key
	if v.source.HashKey != nil {
		fresh = VersionName(v.source.HashKey, key, content)
	}
	for _, l := range v.owned {
		if same, known := v.same(l, content); known && same {
			return chosen{State: v.kind.want(v.entry, l.Name, nil)}
		}
	}
	if len(v.owned) > 0 { // the newest counts: of an older one that cannot be compared it is enough that it was replaced
		if _, known := v.same(v.owned[0], content); !known { // a new version of what may be equal would restart its users for nothing
			return chosen{State: v.kind.want(v.entry, v.owned[0].Name, nil), unknown: true}
		}
	}
	// Somebody may have an object of the manifest's own name, or a version of ours may have lost its label.
	var before *Live
	for _, name := range []string{key.Name, fresh} {
		if l := v.index.ByName(v.kind.Name, name); l != nil && (name == fresh || len(v.owned) == 0) {
			if s, decided := v.foreign(l, content); decided {
				return chosen{State: s}
			}
			before = l
		}
	}
	s := v.kind.want(v.entry, fresh, nil)
	if len(v.owned) > 0 {
		s.Note, before = "its content changed: a new version", v.owned[0]
	}
	if before != nil {
		s.Start = before
	}
	return chosen{State: s}
}

// foreign decides about an object of the manifest's own name that the source did not make. It returns false if a
// version of our own is to be made beside it.
func (v version) foreign(l *Live, content []byte) (diff.State, bool) {
	s := v.kind.want(v.entry, l.Name, nil)
	data, readable := v.kind.Versions(l)
	switch {
	case readable && hmac.Equal(data, content):
		return s, true
	case readable && s.Policy.Adoption() == v1.AdoptTakeover:
		return s, false // a version of our own is made beside it, and the old content stays for those that use it
	default:
		s.Note = noteDiffers
		s.Leaves = append(s.Leaves, diff.Leaf{Path: "spec.data", Type: "spec.data", Key: "secret", Text: "wanted", Stated: true})
		return s, true
	}
}

// same compares contents: directly if the engine gives the content back, and otherwise by the keyed hash in the label,
// on record, or in the name of a version that the source made. known is false if they cannot be compared.
func (v version) same(l *Live, content []byte) (same, known bool) {
	if data, readable := v.kind.Versions(l); readable {
		return hmac.Equal(data, content), true
	}
	label := l.Labels[v1.LabelContent]
	if label == "" {
		label = v.source.Adopted[l.ID].Content
	}
	if _, made := v.source.Made[l.ID]; made && label == "" && v.source.HashKey != nil && l.Name != v.entry.Object.Key().Name {
		return l.Name == VersionName(v.source.HashKey, v.entry.Object.Key(), content), true // the source itself gave it this name
	}
	keyID, hash, ok := strings.Cut(label, ":")
	if !ok || keyID != KeyID(v.source.HashKey) {
		return false, false
	}
	return hash == contentHash(v.source.HashKey, v.entry.Object.Key(), content), true
}

// VersionName returns the live name of the version of a config or secret that has a content.
func VersionName(hashKey []byte, key v1.Key, content []byte) string {
	return key.Name + "-" + contentHash(hashKey, key, content)[:v1.VersionSuffix-1]
}

// ContentLabel returns the content label of a version.
func ContentLabel(hashKey []byte, key v1.Key, content []byte) string {
	return KeyID(hashKey) + ":" + contentHash(hashKey, key, content)
}

// KeyID returns a name for a hash key that does not give the key away.
func KeyID(hashKey []byte) string {
	sum := sha256.Sum256(append([]byte("swarm-operator key id\x00"), hashKey...))
	return hex.EncodeToString(sum[:4])
}

// contentHash returns a keyed hash, so that a short secret cannot be guessed from a name. It covers the object's key,
// so that two secrets of the same content do not show that they are the same.
func contentHash(hashKey []byte, key v1.Key, content []byte) string {
	mac := hmac.New(sha256.New, hashKey)
	mac.Write([]byte(key.String()))
	mac.Write([]byte{0})
	mac.Write(content)
	return hex.EncodeToString(mac.Sum(nil))[:20]
}
