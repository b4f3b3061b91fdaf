package kinds

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/controllers/rescue"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Wants has the objects that all manifests of a source ask for.
type Wants struct {
	States []*diff.State
	// Missing has an entry for each external object. It is true if the object does not exist.
	Missing map[v1.Key]bool
	// Expanded are the manifests that a kind's Expand made, one for each live object that manifests are about.
	Expanded []Entry
	// Notices are for people.
	Notices []string
	// Unknown are secrets whose live content cannot be compared, with the reason.
	Unknown []Unknown
}

// Unknown is an object whose live content cannot be compared. It stays as it is.
type Unknown struct {
	Key v1.Key
	Why string
}

// Expand turns manifests into the objects that they ask for, in the order of kinds. Kinds that others refer to come
// first, because a service names the version of a config and not the config.
func Expand(all []Kind, entries []Entry, ix *Index, src Source, memo *Memo) Wants {
	manifests := memo.begin(all, entries, src)
	w := Wants{Missing: map[v1.Key]bool{}, States: make([]*diff.State, 0, len(entries))}
	instances := map[v1.Key]string{}
	live := func(k v1.Key) string {
		if name, ok := instances[k]; ok {
			return name
		}
		return k.Name
	}
	for i := range all {
		k := &all[i]
		of := manifests[k.Name]
		for _, key := range of.external {
			w.Missing[key] = ix.ByName(k.Name, key.Name) == nil
		}
		if k.Versions != nil {
			w.versions(k, of, entries, world{all, ix, src}, memo)
			for _, s := range w.States[len(w.States)-len(of.at):] {
				instances[s.Key] = s.Instance
			}
			continue
		}
		if k.Expand == nil && of.wants != nil && maps.Equal(of.names, instances) {
			memo.useAgain(of.wants) // they are made of nothing that has changed
		} else {
			of.wants, of.names = w.plain(k, of, entries, ix, live, memo), instances
		}
		for _, m := range of.wants {
			w.States = append(w.States, &m.state)
		}
	}
	memo.dropWants()
	return w
}

// plain returns what the manifests of a kind without versions ask for.
func (w *Wants) plain(k *Kind, of *stated, entries []Entry, ix *Index, live func(v1.Key) string, memo *Memo) []*wantMemo {
	n, entry := len(of.at), func(i int) Entry { return entries[of.at[i]] }
	if k.Expand != nil {
		made, notices := k.Expand(of.all(entries), ix.List(k.Name))
		w.Expanded, w.Notices = append(w.Expanded, made...), append(w.Notices, notices...)
		n, entry = len(made), func(i int) Entry { return made[i] }
	}
	wants := make([]*wantMemo, n)
	rescue.InParallel(n, func(i int) {
		e := entry(i)
		wants[i] = memo.want(k, e, k.instance(e), ix, live)
	})
	memo.keepWants(wants)
	return wants
}

// world is what versions are chosen by.
type world struct {
	all    []Kind
	index  *Index
	source Source
}

// versions adds the versions that the manifests of a kind ask for.
func (w *Wants) versions(k *Kind, of *stated, entries []Entry, in world, memo *Memo) {
	owned := versionsOf(k, in.index, in.source, memo)
	chosen := make([]*versionMemo, len(of.at))
	rescue.InParallel(len(of.at), func(i int) {
		e := entries[of.at[i]]
		chosen[i] = memo.choose(version{world: in, kind: k, entry: e, owned: owned[e.Object.Key()]})
	})
	for _, c := range chosen {
		if c.unknown != "" {
			w.Unknown = append(w.Unknown, Unknown{c.Key, c.unknown})
		}
		w.States = append(w.States, &c.State)
	}
	memo.keepVersions(k.Name, chosen)
}

// Haves returns live objects in normal form. It leaves out a node's own objects. It also leaves out objects that are
// not the source's, or are of a partial kind, unless a want has their name. wants also tells which versions of
// content have been replaced. A memo must have been through Expand in the same run.
func Haves(all []Kind, ix *Index, src Source, wants []*diff.State, memo *Memo) []*diff.State {
	seen := 0
	out := make([]*diff.State, 0, len(wants))
	for i := range all {
		k := &all[i]
		ask := memo.ask(k.Name, wants)
		list, n := memo.normal(k, ix, src, ask)
		seen += n
		newest := map[v1.Key]int{}
		for _, h := range list {
			if h == nil || !h.asked {
				continue
			}
			h.state.Meta.UsedBy = ix.UsersOf(h.live)
			s := &h.state
			if k.Versions != nil {
				s = versionState(*s, ask, newest, out)
			}
			out = append(out, s)
		}
	}
	memo.keepHaves(seen)
	return out
}

// normal returns what is known of the live objects of a kind, nil for a node's own, and how many are not a node's own.
// Those that the source or a want asks about have their normal form.
func (m *Memo) normal(k *Kind, ix *Index, src Source, ask *asked) (list []*haveMemo, seen int) {
	lives := ix.List(k.Name)
	list = m.list(k.Name, len(lives)) // an object is mostly where it was in the last run
	var fresh []*haveMemo
	for i, l := range lives {
		if l.Local {
			list[i] = nil
			continue
		}
		seen++
		h := list[i]
		if h == nil || h.live != l {
			h = m.identify(k, src, l)
			list[i] = h
		}
		h.run = m.current()
		// An object that is not the source's, or is of a partial kind, matters only if a want has its name.
		if h.asked = h.state.Meta.Mine && !k.Partial || ask.named(l.Name) != nil; h.asked && !h.isNormal(ix) {
			fresh = append(fresh, h)
		}
	}
	rescue.InParallel(len(fresh), func(i int) { fresh[i].normalise(m, ix) })
	return list, seen
}

// versionState returns the state of a version, and marks it if it is an old one. That depends on the wants and on the
// other versions in out.
func versionState(s diff.State, ask *asked, newest map[v1.Key]int, out []*diff.State) *diff.State {
	s.Gen = 0
	if s.Meta.Mine {
		instance, stays := ask.instance(s.Key)
		s.Meta.OldVersion = stays && instance != s.Instance
		if !stays { // one version of a removed manifest stands for the object, and the others are old
			oldest(&s, newest, out)
		}
	}
	if w := ask.named(s.Instance); !s.Meta.Mine && w != nil && w.Note == noteDiffers {
		if _, has := w.Leaf(dataPath); has {
			s.Leaves = withData(s.Leaves, diff.Leaf{Text: "live"})
		}
	}
	return &s
}

const dataPath = "spec.data"

// withData returns the leaves with one for the content, which makes a difference that Compare shows without showing the
// content. It leaves the list as it is.
func withData(leaves []diff.Leaf, l diff.Leaf) []diff.Leaf {
	l.Path, l.Type, l.Key = dataPath, dataPath, "secret"
	at, _ := slices.BinarySearchFunc(leaves, dataPath, func(l diff.Leaf, path string) int { return strings.Compare(l.Path, path) })
	return slices.Insert(slices.Clip(leaves), at, l)
}

// asked finds the wants of a kind. Its maps are made when it is first asked. Nobody asks about objects that are all
// the source's own and whose content can change.
type asked struct {
	kind  string
	wants []*diff.State
	// found are the wants that the maps were made of.
	found  []*diff.State
	byName map[string]*diff.State // by live name
	byKey  map[v1.Key]string
}

// ask returns the finder for the wants of a kind. The finder may reuse the maps of the last run.
func (m *Memo) ask(kind string, wants []*diff.State) *asked {
	if m == nil {
		return &asked{kind: kind, wants: wants}
	}
	if m.asked[kind] == nil {
		m.asked[kind] = &asked{kind: kind}
	}
	m.asked[kind].wants = wants
	return m.asked[kind]
}

func (a *asked) find() {
	switch {
	case a.byName == nil:
		a.byName, a.byKey = map[string]*diff.State{}, map[v1.Key]string{}
	case sameSlice(a.found, a.wants):
		return
	case slices.Equal(a.found, a.wants):
		a.found = a.wants
		return
	}
	clear(a.byName)
	clear(a.byKey)
	a.found = a.wants
	for _, w := range a.wants {
		if w.Key.Kind == a.kind {
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
// marks the older one. One that only carries the source's labels is older than any that the source made.
func oldest(s *diff.State, newest map[v1.Key]int, out []*diff.State) {
	i, seen := newest[s.Key]
	if !seen {
		newest[s.Key] = len(out)
		return
	}
	other := out[i]
	copied := func(s *diff.State) int {
		if s.Meta.Title == diff.TitleCopied {
			return 1
		}
		return 0
	}
	if c := cmp.Or(cmp.Compare(copied(s), copied(other)), other.Meta.Created.Compare(s.Meta.Created)); c > 0 || (c == 0 && other.Instance < s.Instance) {
		s.Meta.OldVersion = true
		return
	}
	other.Meta.OldVersion = true
	newest[s.Key] = len(out)
}

// versionsOf returns the source's own objects of a kind by the manifest that they belong to, newest first. Those that
// only carry the source's labels come last, because anybody can write labels. Those that the source gave up are among
// them: otherwise an older object of the manifest's own name would take the place of the version in force.
func versionsOf(k *Kind, ix *Index, src Source, memo *Memo) map[v1.Key][]*Live {
	owned, copied := map[v1.Key][]*Live{}, map[*Live]int{}
	for _, l := range ix.List(k.Name) {
		s := &memo.identify(k, src, l).state
		given := src.gaveUp(l)
		switch {
		case s.Meta.Mine:
			owned[s.Key] = append(owned[s.Key], l)
			if s.Meta.Title == diff.TitleCopied && !given {
				copied[l] = 1
			}
		case given && s.Meta.Owner == "":
			key := src.GivenUp[l.ID].Key
			owned[key] = append(owned[key], l)
		}
	}
	for _, list := range owned {
		slices.SortFunc(list, func(a, b *Live) int {
			return cmp.Or(cmp.Compare(copied[a], copied[b]), b.Created.Compare(a.Created), strings.Compare(a.Name, b.Name))
		})
	}
	return owned
}

const noteDiffers = "its content differs or cannot be compared"

// version chooses the live name of a content: the name in force while the content is the same, and a new one
// otherwise.
type version struct {
	world
	kind  *Kind
	entry Entry
	owned []*Live // see versionsOf
}

type chosen struct {
	diff.State
	// unknown says why the live content cannot be compared. It is "" if it can be.
	unknown string
	// fresh is the name that a new version would have. It is "" if the choice did not depend on that.
	fresh string
	// unsure is true if the choice depends on what runs, because not all contents can be compared.
	unsure bool
}

func (v version) holder() v1.ContentHolder { return v.entry.Object.(v1.ContentHolder) }

func (v version) content() []byte { return v.holder().Content().Reveal() }

// fresh returns the name that a new version would have.
func (v version) fresh() string {
	if v.source.Contents.Salt == nil { // nothing is going to be written, or there would be a salt
		return v.entry.Object.Key().Name + "-(new)"
	}
	return VersionName(v.kind.Hidden, v.source.Contents, v.entry.Object.Key(), v.holder())
}

func (v version) choose() chosen {
	key, content := v.entry.Object.Key(), v.content()
	unknown := map[*Live]string{}
	for _, l := range v.owned {
		same, why := v.same(l, content)
		if same {
			return chosen{State: v.kind.want(v.entry, l.Name, nil), unsure: len(unknown) > 0}
		}
		if why != "" {
			unknown[l] = why
		}
	}
	if len(v.owned) > 0 {
		// Only the version in force counts: an older one was replaced, whatever it holds. A new version of what may be
		// equal would restart its users for nothing. Nobody makes one of what the source gave up, and to choose what it
		// gave up would let its users go on without what git may ask for.
		if l := v.inForce(len(unknown) > 0); unknown[l] != "" && v.has(l) {
			return chosen{State: v.kind.want(v.entry, l.Name, nil), unknown: unknown[l], unsure: true}
		}
	}
	c := v.fresher(key, content)
	c.unsure = len(unknown) > 0
	return c
}

// inForce returns the version that counts as the present one. If asks is true, not all contents can be compared, and it is
// the one that something runs with. Otherwise, and if nothing runs with any, it is the newest.
func (v version) inForce(asks bool) *Live {
	for _, l := range v.owned {
		if asks && v.runs(l) {
			return l
		}
	}
	return v.owned[0]
}

// has reports whether the source has a version, and did not give it up.
func (v version) has(l *Live) bool {
	_, meta := v.source.Identify(l)
	return meta.Mine || !v.source.gaveUp(l)
}

// runs reports whether the spec of some object refers to a version.
func (v version) runs(l *Live) bool {
	for _, user := range v.index.Users(l.Kind, l.ID) {
		k, is := Set(v.all).Get(user.Kind)
		if u := v.index.ByName(user.Kind, user.Name); is && k.Runs != nil && u != nil && slices.Contains(k.Runs(u), l.ref()) {
			return true
		}
	}
	return false
}

// fresher returns a version of its own for a content that no version has. If somebody has an object of the manifest's own
// name, it may return that.
func (v version) fresher(key v1.Key, content []byte) chosen {
	fresh := v.fresh()
	// Somebody may have an object of the manifest's own name, or a version of ours may have lost its label.
	var before *Live
	var differs *diff.State
	for _, name := range []string{key.Name, fresh} {
		l := v.index.ByName(v.kind.Name, name)
		if l == nil || name != fresh && !v.mayBe(l) {
			continue
		}
		switch s, decided := v.foreign(l, content); {
		case !decided:
			before = l
		case name != fresh && s.Note == noteDiffers: // an object with the name of this content comes before it
			differs = &s
		default:
			return chosen{State: s, fresh: fresh}
		}
	}
	if differs != nil {
		return chosen{State: *differs, fresh: fresh}
	}
	s := v.kind.want(v.entry, fresh, nil)
	if len(v.owned) > 0 {
		s.Note, before = "its content changed: a new version", v.owned[0]
	}
	if before != nil {
		s.Start = before
	}
	return chosen{State: s, fresh: fresh}
}

// mayBe reports whether an object of the manifest's own name may be what the manifest means. It may not if the source has
// versions of its own, or gave up a newer one.
func (v version) mayBe(l *Live) bool {
	return len(v.owned) == 0 || v.owned[0] == l && v.source.gaveUp(l)
}

// foreign decides about an object of the manifest's own name that the source did not make. It returns false if a
// version of our own is to be made beside it.
func (v version) foreign(l *Live, content []byte) (diff.State, bool) {
	s := v.kind.want(v.entry, l.Name, nil)
	data, readable := v.kind.Versions(l)
	used := v.used(l)
	switch {
	case readable && used && hmac.Equal(data, content):
		return s, true
	case (readable || !used) && s.Policy.Adoption() == v1.AdoptTakeover:
		return s, false // a version of our own is made beside it, and the old content stays for those that use it
	default:
		s.Note = noteDiffers
		if _, driven := s.Leaf("spec.driver"); !driven { // otherwise a driver supplies the content, and it or its options differ
			s.Leaves = withData(s.Leaves, diff.Leaf{Text: "wanted", Stated: true})
		}
		return s, true
	}
}

// used reports whether a live object is used as the manifest says. It cannot be used in another way later.
func (v version) used(l *Live) bool {
	return v.kind.Settings == nil || v.kind.Settings(l) == v.holder().Settings()
}

// same compares contents, and how they are used. If the engine gives the content back, it compares that. Otherwise it compares the digest: in the
// label, on record, or in the name of a version that the source made. unknown says why it cannot compare them.
func (v version) same(l *Live, content []byte) (same bool, unknown string) {
	if !v.used(l) {
		return false, ""
	}
	if data, readable := v.kind.Versions(l); readable {
		return hmac.Equal(data, content), ""
	}
	key, contents := v.entry.Object.Key(), v.source.Contents
	label := l.Labels[v1.LabelContent]
	if label == "" {
		label = cmp.Or(v.source.Adopted[l.ID].Content, v.source.GivenUp[l.ID].Content)
	}
	// A name does not tell how the digest in it was made, so one that fits says more than one that does not.
	if made := v.source.made(l); made && label == "" && contents.Salt != nil && l.Name == v.fresh() {
		return true, "" // the source itself gave it this name
	}
	same, known := contents.Same(label, key.String(), content)
	if !known {
		unknown = contents.Why(label)
	}
	return same, unknown
}

// VersionName returns the live name of the version of a config or secret that has a content and settings. hidden is true
// if the engine does not show the content. The name then shows no more than the content label.
func VersionName(hidden bool, contents digests.Salted, key v1.Key, of v1.ContentHolder) string {
	content := of.Content().Reveal()
	label := ContentLabel(hidden, contents, key, content)
	if label == "" {
		label = contents.Plain(key.String(), content)
	}
	if of.Settings() != "" {
		label += "\x00" + of.Settings()
	}
	sum := sha256.Sum256([]byte(label))
	return v1.VersionName(key.Name, hex.EncodeToString(sum[:]))
}

// ContentLabel returns the content label of a version. It is "" if the content is not hidden: then nobody needs a label to
// compare it.
func ContentLabel(hidden bool, contents digests.Salted, key v1.Key, content []byte) string {
	if !hidden {
		return ""
	}
	return contents.Of(key.String(), content)
}
