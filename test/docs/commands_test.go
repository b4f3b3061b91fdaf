package docs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/shlex"

	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// code is what a page shows as code: the lines of its blocks, and the text between single backticks.
type code struct {
	line   int
	text   string
	inline bool
}

var inlineCode = regexp.MustCompile("`([^`]+)`")

func (p page) code() []code {
	var out []code
	for _, b := range p.blocks {
		joined := strings.ReplaceAll(b.body, "\\\n", " ")
		for line := range strings.Lines(joined) {
			if b.lang == "console" && !strings.HasPrefix(line, "$ ") {
				continue
			}
			out = append(out, code{line: b.line, text: strings.TrimPrefix(strings.TrimSpace(line), "$ ")})
		}
	}
	for i, line := range p.prose() {
		for _, m := range inlineCode.FindAllStringSubmatch(line, -1) {
			out = append(out, code{line: i + 1, text: m[1], inline: true})
		}
	}
	return out
}

// These match our commands anywhere in a line, and the end of a command.
var (
	ours = regexp.MustCompile(`(?:^|[|;&({] *|/|sudo |exec )(swarm-operator|swarm-sandbox) +([a-z-].*)`)
	// substitution matches the substitution of a command, which is mostly a revision.
	substitution = regexp.MustCompile(`\$\([^)]*\)`)
	endOfCall    = regexp.MustCompile(`[|;&>)]| <|  #| #|$`)
)

// calls returns each call of our commands in a line of code: the command's name and what follows it.
func calls(text string) [][]string {
	text = substitution.ReplaceAllString(text, "0f1e2d3c4b")
	var out [][]string
	for {
		m := ours.FindStringSubmatchIndex(text)
		if m == nil {
			return out
		}
		name, rest := text[m[2]:m[3]], text[m[4]:m[5]]
		call := rest[:endOfCall.FindStringIndex(outsideQuotes(rest))[0]]
		if words, err := shlex.Split(call); err == nil && len(words) > 0 {
			out = append(out, append([]string{name}, words...))
		}
		text = rest
	}
}

// outsideQuotes returns the text with everything in quotes replaced, so that it keeps its length.
func outsideQuotes(s string) string {
	return regexp.MustCompile(`'[^']*'|"[^"]*"`).ReplaceAllStringFunc(s, func(q string) string { return strings.Repeat("q", len(q)) })
}

// usage asks a command for its help, with the arguments that a page gives it. It fails if there is no such flag, or
// if the flag does not take that value. The help says how many arguments the command takes.
var usage = sync.OnceValue(func() func(call []string) (string, error) {
	known := map[string]string{}
	var mu sync.Mutex
	return func(call []string) (string, error) {
		key := strings.Join(call, "\x00")
		mu.Lock()
		defer mu.Unlock()
		if out, is := known[key]; is {
			return out, nil
		}
		cmd := exec.Command(filepath.Join(bin, call[0]), append(slices.Clone(call[1:]), "--help")...)
		cmd.Env = []string{"HOME=/nonexistent"}
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("%s", strings.TrimSpace(string(out)))
		}
		known[key] = string(out)
		return string(out), nil
	}
})

// TestEveryCommandParses checks each of our commands, in blocks and between backticks, against the command line
// itself.
func TestEveryCommandParses(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		for _, c := range p.code() {
			for _, call := range calls(c.text) {
				found++
				if err := parses(call, c.inline); err != nil {
					t.Errorf("%s:%d: %s: %v", p.name, c.line, strings.Join(call, " "), err)
				}
				if err := asTyped(call); err != nil && !strings.HasPrefix(p.name, "docs/reference/") && !strings.HasPrefix(p.name, "docs/adr/") {
					t.Errorf("%s:%d: %s: %v", p.name, c.line, strings.Join(call, " "), err)
				}
			}
		}
	}
	if found < 40 {
		t.Errorf("%d commands found", found)
	}
}

var useLine = regexp.MustCompile(`(?m)^Usage:\n  (.*)$`)

// parses returns what is wrong with a command. Between backticks a command may be named without its arguments.
func parses(call []string, inline bool) error {
	help, err := usage()(call)
	if err != nil {
		return err
	}
	m := useLine.FindStringSubmatch(help)
	if m == nil {
		return fmt.Errorf("its help has no usage:\n%s", help)
	}
	least, most := arity(m[1])
	n := len(operands(call, help))
	named := inline && len(call) == 2
	if n < least && !named {
		return fmt.Errorf("it takes %d arguments at least: %s", least, m[1])
	}
	if most >= 0 && n > most {
		return fmt.Errorf("it takes %d arguments at most: %s", most, m[1])
	}
	if (call[1] == "hold" || call[1] == "approve") && len(call) > 2 && !slices.Contains(call, "--reason") {
		return fmt.Errorf("it takes a --reason")
	}
	if call[1] == "approve" && n > 0 {
		for _, one := range consents(operands(call, help)) {
			if _, err := plan.ParseConsent(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// consents returns the arguments of approve, one text for each hazard and the objects behind it.
func consents(args []string) (out []string) {
	for _, w := range args {
		if len(out) > 0 && strings.Contains(w, "/") {
			out[len(out)-1] += " " + w
		} else {
			out = append(out, w)
		}
	}
	return out
}

// operand matches what stands for an argument in a usage line: a placeholder, or a choice of words.
var operand = regexp.MustCompile(`[A-Z]{2,}|^\w+(\|\w+)+$`)

// arity returns how many arguments a usage line asks for. most is below 0 if there is no limit.
func arity(use string) (least, most int) {
	words := strings.Fields(use)
	for i, w := range words {
		flag := i > 0 && strings.HasPrefix(words[i-1], "--")
		if !operand.MatchString(w) || flag {
			continue
		}
		if strings.Contains(w, "...") {
			most = -1 << 20
		}
		if !strings.HasPrefix(w, "[") && !strings.Contains(w, "|--") {
			least++
		}
		most++
	}
	return least, most
}

// operands returns the arguments after the subcommand that are not flags.
func operands(call []string, help string) []string {
	var out []string
	for i := 1; i < len(call); i++ {
		w := call[i]
		if !strings.HasPrefix(w, "-") || w == "-" {
			out = append(out, w)
			continue
		}
		if takesValue(w, help) {
			i++
		}
	}
	if len(out) > 0 {
		out = out[1:] // without the subcommand
	}
	return out
}

// takesValue reports whether the word after a flag belongs to it, according to the flag's line in the help.
func takesValue(flag, help string) bool {
	if strings.Contains(flag, "=") {
		return false
	}
	line := regexp.MustCompile(`(?m)^ +(?:-\w, )?` + regexp.QuoteMeta(flag) + `( \S+)? {2,}|(?m)^ +` + regexp.QuoteMeta(flag) + `, --[\w-]+( \S+)? {2,}`)
	m := line.FindStringSubmatch(help)
	return m != nil && m[1]+m[2] != ""
}

// asTyped fails if a command has a word in place of an argument that nobody would type.
func asTyped(call []string) error {
	for _, w := range call[2:] {
		if placeholder.MatchString(w) && w != "HEAD" {
			return fmt.Errorf("%s is a placeholder: write what one would type", w)
		}
	}
	return nil
}

var placeholder = regexp.MustCompile(`^[A-Z]{2,}$|^(?:Service|Node|Config|Secret|Network|Volume)/[A-Z]+$|^KIND/NAME`)

// TestEveryFlagExists checks flags that stand alone between backticks.
func TestEveryFlagExists(t *testing.T) {
	known := map[string]bool{}
	for _, call := range [][]string{{"swarm-operator"}, {"swarm-sandbox"}} {
		for _, name := range subcommands(t, call[0]) {
			help, err := usage()([]string{call[0], name})
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`--[a-z-]+`).FindAllString(help, -1) {
				known[m] = true
			}
		}
	}
	// flags of docker, git, go, dockerd and of a container's program
	for _, f := range []string{"--force-new-cluster", "--autolock", "--advertise-addr", "--force", "--help", "--password"} {
		known[f] = true
	}
	alone := regexp.MustCompile(`^(--[a-z-]+)(?:[ =].*)?$`)
	for _, p := range pages(t) {
		for i, line := range p.prose() {
			for _, m := range inlineCode.FindAllStringSubmatch(line, -1) {
				if f := alone.FindStringSubmatch(m[1]); f != nil && !known[f[1]] {
					t.Errorf("%s:%d: no command has the flag %s", p.name, i+1, f[1])
				}
			}
		}
	}
}

func subcommands(t *testing.T, program string) []string {
	t.Helper()
	out, err := exec.Command(filepath.Join(bin, program), "--help").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(out), "Available Commands:\n")
	var names []string
	for line := range strings.Lines(list) {
		if !strings.HasPrefix(line, "  ") {
			break
		}
		names = append(names, strings.Fields(line)[0])
	}
	return names
}

// TestShortFormsParse checks code such as `diff --source .`, which leaves out the program's name.
func TestShortFormsParse(t *testing.T) {
	names := subcommands(t, "swarm-operator")
	for _, p := range pages(t) {
		for i, line := range p.prose() {
			for _, m := range inlineCode.FindAllStringSubmatch(line, -1) {
				words, err := shlex.Split(m[1])
				if err != nil || len(words) < 2 || !slices.Contains(names, words[0]) || !strings.HasPrefix(words[1], "-") {
					continue
				}
				if _, err := usage()(append([]string{"swarm-operator"}, words...)); err != nil {
					t.Errorf("%s:%d: %s: %v", p.name, i+1, m[1], err)
				}
			}
		}
	}
}

// TestEveryConsentIsUnderstood parses the Consent trailers of the pages, as the operator does.
func TestEveryConsentIsUnderstood(t *testing.T) {
	found := 0
	for _, p := range pages(t) {
		for _, c := range p.code() {
			_, text, is := strings.Cut(c.text, plan.Trailer+": ")
			if !is || strings.HasPrefix(text, "…") {
				continue
			}
			found++
			if _, err := plan.ParseConsent(strings.Trim(text, `"'`)); err != nil {
				t.Errorf("%s:%d: %v", p.name, c.line, err)
			}
		}
	}
	if found == 0 {
		t.Error("the docs show no consent")
	}
}

// TestEveryFileThatIsNamedExists checks the repository paths that stand between backticks and in commands.
func TestEveryFileThatIsNamedExists(t *testing.T) {
	path := regexp.MustCompile(`(?:^|[\s=])((?:api|cmd|controllers|deploy|diff|docs|examples|manifests|sandbox|test|tools)/[\w./-]*\w)`)
	for _, p := range pages(t) {
		for _, c := range p.code() {
			for _, m := range path.FindAllStringSubmatch(c.text, -1) {
				if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1]))); err != nil {
					t.Errorf("%s:%d: there is no %s", p.name, c.line, m[1])
				}
			}
		}
	}
}
