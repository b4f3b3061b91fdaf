package redact

import (
	"encoding/json"
	"iter"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
)

// Least is the length from which on a hidden value is replaced wherever it stands. A shorter one would also match what
// is no secret.
const Least = 6

// Reader is who reads a text.
type Reader uint8

const (
	// Git is a reader of diff and validate, who has the source's tree.
	Git Reader = iota
	// Anybody is a reader of HTTP, logs, metrics, notifications and errors.
	Anybody
)

// An engine or a task may still quote a value that nobody has any more. It stays hidden until that many values, or
// bytes of values, have left after it. With all the forms in which texts have them, they take about 1 MiB at most. No
// text quotes a value that is longer than longestFormer whole, and the value would drop many others.
const (
	mostFormer      = 500
	mostFormerBytes = 64 * 1024
	longestFormer   = 8 * 1024
)

// Known are the hidden values that a process knows of, with those that it knew until lately. It replaces them in
// texts, whoever wrote these. Its cost grows with the text, and with what changed of the values. Any number of
// goroutines may use it. A nil Known knows nothing.
type Known struct {
	mu sync.RWMutex
	// owners has what each owner of values added, so that it can be taken back.
	owners map[Owner]*owned
	// entries are the hidden values in all their forms, and heads finds them by their first bytes, the longest first. Many
	// may begin alike, as URLs do.
	entries map[string]*entry
	heads   map[[Least]byte][]*entry
	// open counts the words that are public, such as names of objects, and git the values that git's reader may see. Both
	// are nil until a text has a value that they may allow, which is seldom.
	open, git map[string]int
	// former are values that nobody has any more, the oldest first. bytes is how long they are together, and most is
	// how many there may be.
	former      []former
	bytes, most int
}

// former is a value that nobody has any more, and the readers from whom it stays hidden.
type former struct {
	value string
	from  [Anybody + 1]bool
}

// Owner is whose values they are: an object, as a manifest or as it lives.
type Owner struct{ What, Kind, Name string }

type owned struct {
	stamp any
	Facts
}

// Facts are what an owner, such as an object, says about texts.
type Facts struct {
	// Secret are values that nobody may see.
	Secret []string
	// Private are values that only git's reader may see.
	Private []string
	// Git are values that git's reader may see, whoever says that they are secret.
	Git []string
	// Open are public names. What is the same as one of them, or as a word in it, is replaced in no text.
	Open []string
}

// entry is a value in one of the forms in which texts have it. It counts the owners who hide it, for each reader.
type entry struct {
	form, value string
	count       [Anybody + 1]int32
}

// NewKnown returns a Known that knows nothing yet.
func NewKnown() *Known {
	return &Known{owners: map[Owner]*owned{}, entries: map[string]*entry{}, heads: map[[Least]byte][]*entry{}, most: mostFormer}
}

// Knows reports whether the owner's facts were learnt with that stamp, so that they need not be found out again.
func (k *Known) Knows(owner Owner, stamp any) bool {
	if k == nil {
		return true
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	o, is := k.owners[owner]
	return is && o.stamp == stamp
}

// Learn replaces what is known of an owner.
func (k *Known) Learn(owner Owner, stamp any, f Facts) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	var before Facts
	if o, is := k.owners[owner]; is {
		before = o.Facts
	}
	k.count(before, -1)
	f = f.Lasting()
	k.owners[owner] = &owned{stamp, f}
	k.count(f, 1)
	k.leave(before)
}

// Keep forgets the owners that are not named. It is called after everything was read.
func (k *Known) Keep(named func(owner Owner) bool) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for name, o := range k.owners {
		if !named(name) {
			k.count(o.Facts, -1)
			delete(k.owners, name)
			k.leave(o.Facts)
		}
	}
}

// leave hides for a while what an owner had and nobody has now. If there are too many of such values, it drops the
// oldest.
func (k *Known) leave(f Facts) {
	if len(f.Secret)+len(f.Private) > 0 {
		k.hide(f)
	}
	for len(k.former) > k.most || k.bytes > mostFormerBytes {
		old := k.former[0]
		for _, reader := range []Reader{Git, Anybody} {
			if old.from[reader] {
				k.value(old.value, reader, -1)
			}
		}
		k.former[0] = former{}
		k.former, k.bytes = k.former[1:], k.bytes-len(old.value)
	}
}

// hide hides what an owner had from those who could not see it, unless somebody still has it. What had left before has
// now left last.
func (k *Known) hide(f Facts) {
	named := map[string]bool{} // texts still name the object after it has left
	for _, text := range f.Open {
		named[text] = true
		for w := range words(text) {
			named[w] = true
		}
	}
	hide := func(v string, from ...Reader) {
		if len(v) <= longestFormer && !named[v] {
			k.note(v, from)
		}
	}
	for _, v := range f.Secret {
		hide(v, Git, Anybody)
	}
	for _, v := range f.Private {
		hide(v, Anybody)
	}
}

// note puts a value last among the former ones, unless it is hidden from these readers for other reasons than that it
// is among them.
func (k *Known) note(v string, from []Reader) {
	old, left := former{value: v}, false
	at := slices.IndexFunc(k.former, func(o former) bool { return o.value == v })
	if at >= 0 {
		old = k.former[at]
	}
	for _, reader := range from {
		own := int32(0) // what the former value counts for itself
		if old.from[reader] {
			own = 1
		}
		if e := k.entries[v]; e != nil && e.count[reader] > own {
			continue
		}
		if left = true; !old.from[reader] {
			old.from[reader] = true
			k.value(v, reader, 1)
		}
	}
	switch {
	case !left:
		return
	case at >= 0:
		k.former = slices.Delete(k.former, at, at+1)
	default:
		k.bytes += len(v)
	}
	k.former = append(k.former, old)
}

// Lasting returns a copy of the facts without what counts for nothing. It has no room to grow, because it is kept as long
// as its owner.
func (f Facts) Lasting() Facts {
	long := func(texts []string) []string {
		n := 0
		for _, text := range texts {
			if len(text) >= Least {
				n++
			}
		}
		if n == 0 {
			return nil
		}
		out := make([]string, 0, n)
		for _, text := range texts {
			if len(text) >= Least {
				out = append(out, text)
			}
		}
		return out
	}
	return Facts{Secret: long(f.Secret), Private: long(f.Private), Git: long(f.Git), Open: long(f.Open)}
}

// allows counts what the facts allow to be shown.
func (k *Known) allows(f Facts, by int) {
	for _, text := range f.Open {
		tally(k.open, text, by)
		for w := range words(text) {
			tally(k.open, w, by)
		}
	}
	for _, text := range f.Git {
		tally(k.git, text, by)
	}
}

// count counts facts, or takes them back.
func (k *Known) count(f Facts, by int) {
	if k.open != nil {
		k.allows(f, by)
	}
	for _, v := range f.Secret {
		k.value(v, Anybody, by)
		k.value(v, Git, by)
	}
	for _, v := range f.Private {
		k.value(v, Anybody, by)
	}
}

// tally counts a text that can be a hidden value, which shorter ones cannot.
func tally(counts map[string]int, text string, by int) {
	if len(text) < Least {
		return
	}
	if counts[text] += by; counts[text] <= 0 {
		delete(counts, text)
	}
}

// words returns the words of a name.
func words(text string) iter.Seq[string] {
	return strings.FieldsFuncSeq(text, func(r rune) bool { return r < '0' || '9' < r && r < 'A' || 'Z' < r && r < 'a' || 'z' < r })
}

// value counts a value, in all its forms. Lines of a long value are values too, because texts are made of lines.
func (k *Known) value(v string, reader Reader, by int) {
	if trimmed := strings.TrimSpace(v); trimmed != v {
		k.value(trimmed, reader, by)
	}
	if strings.Contains(v, "\n") {
		for line := range strings.Lines(v) {
			k.value(strings.TrimSpace(line), reader, by)
		}
	}
	if len(v) < Least {
		return
	}
	for _, form := range forms(v) {
		if len(form) >= Least {
			k.form(form, v, reader, by)
		}
	}
}

func (k *Known) form(form, value string, reader Reader, by int) {
	head, e := [Least]byte([]byte(form[:Least])), k.entries[form]
	if e == nil {
		e = &entry{form: form, value: value}
		k.entries[form] = e
		at, _ := place(k.heads[head], len(form))
		k.heads[head] = slices.Insert(k.heads[head], at, e)
	}
	if e.count[reader] += int32(by); e.count != [Anybody + 1]int32{} {
		return
	}
	delete(k.entries, form)
	at, end := place(k.heads[head], len(form))
	at += slices.Index(k.heads[head][at:end], e)
	if k.heads[head] = slices.Delete(k.heads[head], at, at+1); len(k.heads[head]) == 0 {
		delete(k.heads, head)
	}
}

// place returns where the entries of a length begin and end in a list.
func place(list []*entry, length int) (begin, end int) {
	begin = sort.Search(len(list), func(i int) bool { return len(list[i].form) <= length })
	return begin, begin + sort.Search(len(list)-begin, func(i int) bool { return len(list[begin+i].form) < length })
}

// forms returns a value as texts have it: as it is, quoted by Go or JSON, and escaped in a URL.
func forms(v string) []string {
	if !strings.ContainsFunc(v, escaped) {
		return []string{v}
	}
	quoted := strconv.Quote(v)
	out := []string{v, quoted[1 : len(quoted)-1], OneLine(v), url.QueryEscape(v), url.PathEscape(v)}
	if b, err := json.Marshal(v); err == nil {
		out = append(out, string(b[1:len(b)-1]))
		twice := strconv.Quote(string(b))
		out = append(out, twice[3:len(twice)-3])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// escaped reports whether a character is written in another way anywhere.
func escaped(r rune) bool {
	return (r < 'a' || 'z' < r) && (r < 'A' || 'Z' < r) && (r < '0' || '9' < r) && r != '-' && r != '_' && r != '.' && r != '~'
}

// Text returns a text for a reader: without what has the shape of a secret, and without the values that the reader may
// not see.
func (k *Known) Text(text string, reader Reader) string {
	text = k.replaced(text, reader)
	return Text(text)
}

func (k *Known) replaced(text string, reader Reader) string {
	if k == nil || len(text) < Least {
		return text
	}
	k.mu.RLock()
	defer k.mu.RUnlock()
	if len(k.heads) == 0 {
		return text
	}
	var out strings.Builder
	last := 0
	for i := 0; i+Least <= len(text); i++ {
		n := k.at(text[i:], reader)
		if n == 0 {
			continue
		}
		out.WriteString(text[last:i])
		out.WriteString(Hidden)
		i += n - 1
		last = i + 1
	}
	if last == 0 {
		return text
	}
	out.WriteString(text[last:])
	return out.String()
}

// at returns the length of the longest hidden value that a text begins with, or 0. The caller holds the lock for reading,
// which at may give up and take again.
func (k *Known) at(text string, reader Reader) int {
	for _, e := range k.heads[[Least]byte([]byte(text[:Least]))] {
		if e.count[reader] == 0 || !strings.HasPrefix(text, e.form) || ordinary[e.value] {
			continue
		}
		if k.open == nil {
			k.mu.RUnlock()
			k.allowAll()
			k.mu.RLock()
			return k.at(text, reader)
		}
		if k.open[e.value] > 0 || reader == Git && k.git[e.value] > 0 {
			continue
		}
		return len(e.form)
	}
	return 0
}

// allowAll counts what all owners allow, from now on.
func (k *Known) allowAll() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.open != nil {
		return
	}
	k.open, k.git = map[string]int{}, map[string]int{}
	for _, o := range k.owners {
		k.allows(o.Facts, 1)
	}
}

// Expect makes room for that many owners, if there are none yet.
func (k *Known) Expect(owners int) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.owners) == 0 {
		k.owners = make(map[Owner]*owned, owners)
	}
}

// ordinary are the operator's own words. They stand in its texts whatever values there are, so replacing them would hide
// nothing.
var ordinary = func() map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(`service services network networks config configs secret secrets cluster manager managers worker workers
		replicated global replicated-job global-job ingress overlay create update remove replace enforce observe commits commands source
		revision running pending updating paused failed refused rolled-out superseded unfinished Synced OutOfSync Unknown Healthy Progressing
		Degraded Missing default consent expand object objects version status report reason message health default volume replicas
		required warning manifests operator engine docker swarm-operator localhost 127.0.0.1 0.0.0.0 https:// http:// active
		drained completed starting rollback complete Service Network Config Secret Cluster NodeSet`) {
		out[w] = true
	}
	return out
}()
