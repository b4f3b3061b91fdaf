package docs

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`^#{1,6} +(.+?) *$`)
)

// anchors returns the IDs that a forge gives to the headings of a page.
func (p page) anchors() map[string]bool {
	out := map[string]bool{}
	for _, line := range p.prose() {
		if m := heading.FindStringSubmatch(line); m != nil {
			out[slug(m[1])] = true
		}
	}
	return out
}

func slug(title string) string {
	title = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(title, "$1")
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			b.WriteRune(r)
		case r == ' ':
			b.WriteByte('-')
		}
	}
	return b.String()
}

func TestEveryLinkResolves(t *testing.T) {
	all := map[string]page{}
	for _, p := range append(pages(t), extra(t, "ARCHITECTURE.md", "CHANGELOG.md")...) {
		all[p.name] = p
	}
	for _, p := range all {
		for i, line := range p.prose() {
			for _, m := range link.FindAllStringSubmatch(line, -1) {
				if problem := resolve(all, p.name, m[1]); problem != "" {
					t.Errorf("%s:%d: %s: %s", p.name, i+1, m[1], problem)
				}
			}
		}
	}
}

// extra returns pages whose links are checked, but not their blocks.
func extra(t *testing.T, names ...string) []page {
	t.Helper()
	var out []page
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, page{name: name, text: string(text)})
	}
	return out
}

func resolve(all map[string]page, from, to string) string {
	if strings.Contains(to, "://") {
		return ""
	}
	file, anchor, has := strings.Cut(to, "#")
	name := from
	if file != "" {
		name = path.Join(path.Dir(from), file)
	}
	if strings.HasPrefix(name, "../") { // a page of the forge, such as ../../security
		return ""
	}
	if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
		return "there is no such file"
	}
	if p, is := all[name]; has && !is {
		return "an anchor in what is no page"
	} else if has && !p.anchors()[anchor] {
		return "the page has no such heading"
	}
	return ""
}

// TestNoFilePointsToAPageThatIsNotThere exists because the guide was once a single file, whose anchors are gone.
func TestNoFilePointsToAPageThatIsNotThere(t *testing.T) {
	mention := regexp.MustCompile(`\bdocs/[\w/-]+\.md(#[\w-]+)?`)
	err := filepath.WalkDir(root, func(name string, e os.DirEntry, err error) error {
		base := filepath.Base(name)
		switch {
		case err != nil:
			return err
		case e.IsDir() && name != root && (strings.HasPrefix(base, ".") || base == "bin" || base == "dist"):
			return filepath.SkipDir
		case e.IsDir() || strings.HasPrefix(name, filepath.Join(root, "test", "docs")+string(filepath.Separator)):
			return nil
		}
		switch filepath.Ext(name) {
		case ".go", ".yaml", ".yml", ".service", ".md", ".txtar", "":
		default:
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, m := range mention.FindAllString(string(text), -1) {
			if problem := resolve(byName(pages(t)), "README.md", m); problem != "" {
				t.Errorf("%s names %s: %s", name, m, problem)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func byName(list []page) map[string]page {
	all := map[string]page{}
	for _, p := range list {
		all[p.name] = p
	}
	return all
}

// TestTheIndexAnswersQuestions checks that the index leads from the questions of a new reader to their answers.
func TestTheIndexAnswersQuestions(t *testing.T) {
	index := byName(pages(t))["docs/README.md"]
	question := regexp.MustCompile(`^\| [^|]+\? \| .*\]\(`)
	n := 0
	for _, line := range index.prose() {
		if question.MatchString(line) {
			n++
		}
	}
	if n < 20 {
		t.Errorf("docs/README.md answers %d questions, want 20", n)
	}
	for name := range byName(pages(t)) {
		if strings.HasPrefix(name, "docs/") && strings.Count(name, "/") == 1 && name != index.name && !strings.Contains(index.text, "("+strings.TrimPrefix(name, "docs/")) {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}
