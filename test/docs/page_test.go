package docs

import (
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// root is the directory of the module.
var root = filepath.Join("..", "..")

// page is a Markdown file.
type page struct {
	name   string // path below the root, with slashes
	text   string
	blocks []block
}

// block is a fenced block, or a comment with commands that a reader does not see.
type block struct {
	line   int // number of its first line of content, from 1
	indent string
	lang   string
	words  []string // the words after the language
	body   string
	unseen bool
}

func (b block) is(word string) bool { return slices.Contains(b.words, word) }

// value returns what follows key= in the first line, or "".
func (b block) value(key string) string {
	for _, w := range b.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			return v
		}
	}
	return ""
}

// pages returns all pages that the tests are about, by name.
func pages(t *testing.T) []page {
	t.Helper()
	names := []string{"README.md", "SECURITY.md", "CONTRIBUTING.md"}
	err := fs.WalkDir(os.DirFS(root), "docs", func(name string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(name, ".md") {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var out []page
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page{name: name, text: string(text), blocks: parse(string(text))})
	}
	slices.SortFunc(out, func(a, b page) int { return cmp.Compare(a.name, b.name) })
	return out
}

var fence = regexp.MustCompile("^( *)```(.*)$")

const unseenBegins, unseenEnds = "<!-- test/docs", "-->"

func parse(text string) []block {
	var out []block
	var open *block
	for i, line := range strings.Split(text, "\n") {
		m := fence.FindStringSubmatch(line)
		switch {
		case open != nil && ((m != nil && !open.unseen) || (open.unseen && strings.TrimSpace(line) == unseenEnds)):
			out = append(out, *open)
			open = nil
		case open != nil:
			open.body += strings.TrimPrefix(line, open.indent) + "\n"
		case m != nil:
			words := strings.Fields(m[2])
			open = &block{line: i + 2, indent: m[1]}
			if len(words) > 0 {
				open.lang, open.words = words[0], words[1:]
			}
		case strings.TrimSpace(line) == unseenBegins:
			open = &block{line: i + 2, lang: "sh", unseen: true}
		}
	}
	if open != nil { // nobody closes it, so the rest of the page belongs to it
		open.lang = "not closed"
		out = append(out, *open)
	}
	return out
}

// prose returns the text without blocks and comments, line by line.
func (p page) prose() []string {
	lines := strings.Split(p.text, "\n")
	in := false
	for i, line := range lines {
		edge := fence.MatchString(line) || strings.HasPrefix(strings.TrimSpace(line), "<!--") || (in && strings.HasSuffix(strings.TrimSpace(line), "-->"))
		if edge {
			oneLine := strings.HasPrefix(strings.TrimSpace(line), "<!--") && strings.HasSuffix(strings.TrimSpace(line), "-->")
			if !oneLine {
				in = !in
			}
		}
		if in || edge {
			lines[i] = ""
		}
	}
	return lines
}

// makeTarget matches a call of make and captures the target.
var makeTarget = regexp.MustCompile(`^make +([a-z0-9-]+)`)

func makeTargets(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^([a-z0-9-]+):`).FindAllStringSubmatch(string(text), -1) {
		targets[m[1]] = true
	}
	return targets
}

// TestEveryBlockIsOfAKnownKind makes sure that every block in the docs is checked by some test.
func TestEveryBlockIsOfAKnownKind(t *testing.T) {
	used := map[int]bool{}
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if i, is := exceptional(p, b); is {
				used[i] = true
				continue
			}
			known := b.lang == "sh" || b.lang == "console" || b.lang == "yaml" || (b.lang == "text" && b.is("commit"))
			if !known {
				t.Errorf("%s:%d: nothing says how to test this block (%q): see the package comment of test/docs", p.name, b.line, b.lang)
			}
		}
	}
	for i, e := range exceptions {
		if !used[i] {
			t.Errorf("no block of %s contains %q any more: drop the exception", e.page, e.has)
		}
		if e.why == "" {
			t.Errorf("the exception for %q of %s has no reason", e.has, e.page)
		}
	}
}

func TestEveryTargetOfMakeExists(t *testing.T) {
	targets := makeTargets(t)
	inline := regexp.MustCompile("`make +([a-z0-9-]+)")
	for _, p := range pages(t) {
		names := inline.FindAllStringSubmatch(p.text, -1)
		for _, b := range p.blocks {
			for line := range strings.Lines(b.body) {
				if m := makeTarget.FindStringSubmatch(line); m != nil {
					names = append(names, m)
				}
			}
		}
		for _, m := range names {
			if !targets[m[1]] {
				t.Errorf("%s: make has no target %q", p.name, m[1])
			}
		}
	}
}
