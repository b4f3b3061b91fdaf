package kinds

import (
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/digests"
	"github.com/swarm-operator/swarm-operator/diff"
)

// Record is what our memory has of an adopted object.
type Record struct {
	Key     v1.Key
	Applied diff.Applied
	// Content is the digest of the content that the object is taken to have. It is "" if the engine shows the content.
	Content string
	// Written is true if the source has written to the object since and put its labels on it. Applied is then as old
	// as the adoption.
	Written bool
	// Taken is true if the object differed from its manifest, so that the source took it over with a write.
	Taken bool
}

// GivenUp is what our memory has of an object that the source gave up.
type GivenUp struct {
	Key v1.Key
	// Content is as in Record.
	Content string
	// Made is true if the source made the object, and false if it adopted it.
	Made bool
}

// Source is the name that owns manifests, with what is remembered of it.
type Source struct {
	Name string
	// Adopted are the objects that the source adopted, by id.
	Adopted map[string]Record
	// Made are the objects that the source made, by id. Objects that it made since the memory was written carry
	// Nonce.
	Made map[string]v1.Key
	// GivenUp are the objects on record that the source gave up, by id. They are not the source's, but they still tell
	// which version of a config or secret its manifest means.
	GivenUp map[string]GivenUp
	// Nonce is the nonce of the memory. "" means that nothing is on record yet. Whatever has the source's labels then
	// counts as made by it.
	Nonce string
	// Contents makes the names of versions, and knows the content of secrets again.
	Contents digests.Salted
	// Others are objects that another source has made or adopted. The key is the object's id, the value the name of
	// the other source. The name is "" if it gave the object up.
	Others map[string]string
	// Partial are the objects of partial kinds of which other sources state something, by source. A source that is
	// not in it may state any object.
	Partial map[string]map[v1.Key]bool
}

// gaveUp reports whether it is on record that the source had an object and gave it up.
func (s Source) gaveUp(l *Live) bool { return s.GivenUp[l.ID].Key.Kind == l.Kind }

// made reports whether it is on record that the source made an object, even if it gave it up later.
func (s Source) made(l *Live) bool {
	_, made := s.Made[l.ID]
	return made || s.gaveUp(l) && s.GivenUp[l.ID].Made
}

// dropped reports whether another source states nothing any more of an object of a partial kind that has its label.
// It then owns nothing of the object: only the label is left.
func (s Source) dropped(source string, l *Live) bool {
	stated, known := s.Partial[source]
	return known && (l.Kind == v1.KindNode || l.Kind == v1.KindCluster) && !stated[v1.Key{Kind: l.Kind, Name: l.called()}]
}

// Owner returns the value of the owner label.
func (s Source) Owner(k v1.Key) string { return s.Name + "/" + k.Kind + "/" + k.Name }

// Identify says whose an object is. Objects that the source made or adopted are on record by their ids. They stay the
// source's if somebody takes their labels off. The label must name this object's own kind and name, because a copied
// label proves nothing. If the engine never changes the labels of an object, they may be those of a source that gave it
// up: see outlived.
func (s Source) Identify(l *Live) (v1.Key, diff.Meta) {
	key := v1.Key{Kind: l.Kind, Name: l.called()}
	meta := diff.Meta{ID: l.ID, Version: l.Version, Created: l.Created, Foreign: diff.Foreign{Unknown: l.Unknown, Unread: l.Unread}, Stack: stackOf(l)}
	if r, ok := s.Adopted[l.ID]; ok && r.Key.Kind == l.Kind {
		meta.Mine, meta.Title, meta.Applied = true, diff.TitleAdopted, r.Applied
		if r.Taken {
			meta.Title = diff.TitleTaken
		}
		key = r.Key
		meta.Lost = r.Written // unless a label is found below
	}
	made, recorded := s.Made[l.ID]
	if recorded = recorded && made.Kind == l.Kind; recorded && !meta.Mine {
		key, meta.Mine, meta.Lost = made, true, true
	}
	if other := s.Others[l.ID]; other != "" && !meta.Mine {
		meta.Owner = "source " + other
	}
	owner := l.Labels[v1.LabelOwner]
	source, kind, name := cutOwner(owner)
	if source == "" || kind != l.Kind || !instanceOf(kind, l.called(), name) {
		return key, meta
	}
	if source != s.Name && s.dropped(source, l) || s.outlived(source, l, meta) {
		return key, meta
	}
	if source != s.Name { // even if it is on record as ours: the label came later, with a write of the other source
		return v1.Key{Kind: l.Kind, Name: l.called()}, diff.Meta{ID: meta.ID, Version: meta.Version, Created: meta.Created, Foreign: meta.Foreign, Owner: "source " + source}
	}
	if meta.Owner != "" && (l.Kind == v1.KindNode || l.Kind == v1.KindCluster) { // another source adopted it while we stated nothing of it
		return key, meta
	}
	if s.unknown(l) {
		meta.Title = diff.TitleCopied
	}
	meta.Mine, meta.Owner, meta.Lost = true, "", false
	if applied := l.Labels[v1.LabelApplied]; applied != "" {
		meta.Applied = diff.ParseApplied(applied)
	}
	return v1.Key{Kind: l.Kind, Name: name}, meta
}

// outlived reports whether an object has the label of a source that does not have it any more. That is so for objects
// whose labels never change: the source gave the object up, or another source has it on record. meta is what the records
// say.
func (s Source) outlived(source string, l *Live, meta diff.Meta) bool {
	if l.Kind != v1.KindVolume && l.Kind != v1.KindNetwork {
		return false
	}
	other, recorded := s.Others[l.ID]
	if source == s.Name {
		return !meta.Mine && other != ""
	}
	return other != source && (recorded || meta.Mine)
}

// unknown reports whether nothing on record says that the source made or adopted the object, whatever its labels say.
func (s Source) unknown(l *Live) bool {
	_, made := s.Made[l.ID]
	_, adopted := s.Adopted[l.ID]
	return !made && !adopted && s.Nonce != "" && l.Labels[v1.LabelMade] != s.Nonce
}

// droppedByOwner is dropped for the source whose label is on the object.
func (s Source) droppedByOwner(l *Live) bool {
	if len(s.Partial) == 0 {
		return false
	}
	source, _, _ := cutOwner(l.Labels[v1.LabelOwner])
	return s.dropped(source, l)
}

// cutOwner splits SOURCE/KIND/NAME. No part holds a slash.
func cutOwner(s string) (source, kind, name string) {
	source, rest, _ := strings.Cut(s, "/")
	kind, name, _ = strings.Cut(rest, "/")
	return source, kind, name
}

// instanceOf reports whether a live name is the object's own or, for a kind that has versions, the name of one of its
// versions.
func instanceOf(kind, live, name string) bool {
	if live == name {
		return true
	}
	if kind != v1.KindConfig && kind != v1.KindSecret {
		return false
	}
	return v1.IsVersionName(live, name)
}
