package docs

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/swarm-operator/swarm-operator/sandbox"
	"github.com/swarm-operator/swarm-operator/test/harness"
	"github.com/swarm-operator/swarm-operator/test/lag"
	"github.com/swarm-operator/swarm-operator/test/turn"
)

var write = flag.Bool("write", false, "write what commands print into the pages instead of comparing it")

// bin is the directory of the built commands.
var bin string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(build(m))
}

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "docs")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := harness.Build(context.Background(), dir, "swarm-operator", "swarm-sandbox"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	bin = dir
	// Readers mostly wait, so more of them than there are processors may run side by side.
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set("8")
	}
	return m.Run()
}

// swarms are for pages that need something other than one manager and two workers.
var swarms = map[string]sandbox.Options{
	"docs/managers.md": {Managers: 3, Workers: 2},
}

// TestEveryBlockRuns goes through a page as a reader does, from its first block to its last. README.md and the first
// steps are read in each run, and of the other pages every second one. The next commit reads the others.
func TestEveryBlockRuns(t *testing.T) {
	all := pages(t)
	first := func(p page) bool { return p.name == "README.md" || p.name == "docs/getting-started.md" } // read by everybody
	others := slices.DeleteFunc(slices.Clone(all), func(p page) bool { return first(p) || !p.runs() })
	hasTurn := turn.Part(2, others)
	for _, p := range all {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.plans(t)
			if p.runs() && (*write || first(p) || slices.ContainsFunc(hasTurn, func(o page) bool { return o.name == p.name })) {
				p.run(t)
			}
		})
	}
}

// manifest reports whether a block of YAML has objects of ours, and is not a file of another program.
func (b block) manifest() bool {
	return b.lang == "yaml" && strings.Contains(b.body, "apiVersion: swarm-operator.io/")
}

func (p page) plans(t *testing.T) {
	for _, b := range p.blocks {
		if _, is := exceptional(p, b); is || !b.manifest() {
			continue
		}
		if _, err := Plan(fstest.MapFS{"manifest.yaml": {Data: []byte(b.body)}}); err != nil {
			t.Errorf("%s:%d: %v", p.name, b.line, err)
		}
	}
}

// runs reports whether a page has commands to run, other than those of make.
func (p page) runs() bool {
	for _, b := range p.blocks {
		if _, is := exceptional(p, b); !is && (b.lang == "sh" || b.lang == "console") && strings.TrimSpace(withoutMake(b.body)) != "" {
			return true
		}
	}
	return false
}

func withoutMake(script string) string {
	var out strings.Builder
	for line := range strings.Lines(script) {
		if !makeTarget.MatchString(line) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// reader goes through a page. It has a swarm, a home directory, a shell, and programs that run in the background.
type reader struct {
	*testing.T
	page    page
	home    string
	state   string // directory and variables of the shell, from block to block
	env     []string
	daemons []*exec.Cmd
	// stand replaces what a page names by what this reader has. back does the reverse.
	stand, back *strings.Replacer
	host        *regexp.Regexp // this machine's name
}

func needs(t *testing.T, p page) {
	t.Helper()
	for _, program := range []string{"bash", "git"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skip("needs " + program)
		}
	}
	if err := exec.Command("docker", "--version").Run(); err != nil && p.uses("docker ") {
		t.Skip("needs the docker CLI")
	}
}

// uses reports whether a block that runs has a command.
func (p page) uses(command string) bool {
	for _, b := range p.blocks {
		if _, is := exceptional(p, b); !is && (b.lang == "sh" || b.lang == "console") && strings.Contains(b.body, command) {
			return true
		}
	}
	return false
}

func (p page) run(t *testing.T) {
	needs(t, p)
	lag.Explain(t)
	r := newReader(t, p)
	for i, b := range p.blocks {
		if _, is := exceptional(p, b); is {
			continue
		}
		ok := true
		switch {
		case b.lang == "sh":
			ok = r.script(b)
		case b.lang == "console":
			ok = r.console(i, b)
		case b.lang == "yaml" && b.value("file") != "":
			ok = r.file(b)
		}
		if !ok { // what follows depends on it
			break
		}
	}
	r.stop()
	if *write && !t.Failed() {
		r.rewrite()
	}
}

// shown returns what a command printed, in the words of the page.
func (r *reader) shown(text string) string {
	return r.host.ReplaceAllString(r.back.Replace(text), "laptop")
}

func newReader(t *testing.T, p page) *reader {
	t.Helper()
	home, err := os.MkdirTemp("", "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	o := swarms[p.name]
	if o.Managers+o.Blank == 0 {
		o = sandbox.Options{Managers: 1, Workers: 2}
	}
	sb, err := sandbox.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sb.Close() })
	listen := address(t)
	r := &reader{T: t, page: p, home: home, state: filepath.Join(home, ".state")}
	r.stand = strings.NewReplacer("127.0.0.1:9737", listen, "/tmp/sb", filepath.Join(home, "sb"), "/var/run/docker.sock", sb.Socket(sb.Nodes()[0]))
	host, _ := os.Hostname()
	who := ""
	if u, err := user.Current(); err == nil {
		who = u.Username
	}
	r.back = strings.NewReplacer(
		listen, "127.0.0.1:9737", filepath.Join(home, "sb"), "/tmp/sb", home, "/home/ada", sb.Dir(), "/run",
		who+"@"+host, "ada@laptop")
	r.host = regexp.MustCompile(`\b` + regexp.QuoteMeta(host) + `\b`) // a short name is also part of many IDs
	repository, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	r.env = []string{
		"PATH=" + bin + ":" + os.Getenv("PATH"), "HOME=" + home, "TZ=UTC", "LC_ALL=C", "DOCKER_CONFIG=" + home,
		"DOCKER_HOST=" + sb.Host(sb.Nodes()[0]), "SOCKETS=" + sb.Dir(), "SWARM_OPERATOR_LISTEN=" + listen, "SWARM_OPERATOR_INSTANCE=manager-1",
		"REPOSITORY=" + repository, "GIT_CONFIG_NOSYSTEM=1", "GIT_PAGER=cat",
		"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
	}
	if err := os.WriteFile(filepath.Join(home, ".gitconfig"), []byte("[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".prelude"), []byte(prelude), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.state, []byte("cd \"$HOME\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return r
}

// address returns an address for an operator. No other page, and no other program, listens on it.
func address(t *testing.T) string {
	t.Helper()
	pid := os.Getpid()
	for range 100 {
		address := fmt.Sprintf("127.%d.%d.%d:9737", 100+pid%100, pid/100%256, 1+readers.Add(1)%250)
		l, err := net.Listen("tcp", address)
		if err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no address is free")
	return ""
}

// readers counts the readers.
var readers atomic.Int64

// prelude defines what commands that a reader does not see may use, beside the programs.
const prelude = `
# eventually waits until a command succeeds; it shows what it says when that takes too long.
eventually() {
	local end=$((SECONDS + 180))
	while ((SECONDS < end)); do if "$@" >/dev/null 2>&1; then return 0; fi; sleep 0.1; done
	"$@"
}
# not succeeds where a command fails.
not() { ! "$@"; }
# says succeeds if a text is in what a command prints, whatever its exit code.
says() { local text=$1; shift; { "$@" 2>&1 || true; } | grep -qF -- "$text"; }
# source_of makes a checkout of files of the repository in a directory, as one commit.
source_of() {
	mkdir -p "$1" && cp -R "$REPOSITORY/$2/." "$1" && git -C "$1" init -q && git -C "$1" add -A && git -C "$1" commit -q -m "First"
}
`

// within is how long one block may take. It is long, so that a busy machine causes no failure.
const within = 5 * time.Minute

// shell runs a script and keeps its final directory and variables.
func (r *reader) shell(script, stdin string) (out string, code int) {
	ctx, cancel := context.WithTimeout(r.Context(), within)
	defer cancel()
	whole := `. "$HOME/.prelude"; . "$HOME/.state"
trap '{ export -p; printf "cd %q\n" "$PWD"; } >"$HOME/.state"' EXIT
set -eo pipefail
` + r.stand.Replace(script)
	cmd := exec.CommandContext(ctx, "bash", "-c", whole)
	cmd.Env, cmd.Dir, cmd.WaitDelay = r.env, r.home, time.Second
	cmd.Stdin = strings.NewReader(stdin)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.Fatalf("running a shell: %v\n%s", err, both.String())
	}
	return r.shown(both.String()), cmd.ProcessState.ExitCode()
}

func (r *reader) script(b block) bool {
	if b.is("daemon") {
		return r.daemon(b)
	}
	want, _ := strconv.Atoi(b.value("exit"))
	if out, code := r.shell(withoutMake(b.body), ""); code != want {
		r.Errorf("%s:%d: exit code %d, want %d:\n%s", r.page.name, b.line, code, want, out)
		return false
	}
	return true
}

// daemon starts a command that runs until the page ends, or until another one replaces it.
func (r *reader) daemon(b block) bool {
	if b.is("instead") {
		r.stop()
	}
	cmd := exec.Command("bash", "-c", `. "$HOME/.state"; exec `+r.stand.Replace(strings.TrimSpace(b.body)))
	cmd.Env, cmd.Dir = r.env, r.home
	log := &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		r.Errorf("%s:%d: %v", r.page.name, b.line, err)
		return false
	}
	r.daemons = append(r.daemons, cmd)
	return true
}

// stop ends the programs in the background. Each must end well when it is asked to.
func (r *reader) stop() {
	for _, cmd := range r.daemons {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil && !r.Failed() {
			r.Errorf("%s: %s ended with: %v\n%s", r.page.name, strings.Join(cmd.Args, " "), err, cmd.Stdout)
		} else if r.Failed() {
			r.Logf("%s\n%s", strings.Join(cmd.Args, " "), r.shown(fmt.Sprint(cmd.Stdout)))
		}
	}
	r.daemons = nil
}

func (r *reader) file(b block) bool {
	script := fmt.Sprintf("mkdir -p \"$(dirname %[1]q)\" && cat >%[1]q", b.value("file"))
	if out, code := r.shell(script, r.stand.Replace(b.body)); code != 0 {
		r.Errorf("%s:%d: writing %s: %s", r.page.name, b.line, b.value("file"), out)
		return false
	}
	return true
}

// console runs each command and compares what it prints.
func (r *reader) console(i int, b block) bool {
	var got strings.Builder
	commands := commands(b.body)
	if len(commands) == 0 {
		r.Errorf("%s:%d: no line begins with \"$ \"", r.page.name, b.line)
		return false
	}
	for n, c := range commands {
		want := 0
		if n == len(commands)-1 {
			want, _ = strconv.Atoi(b.value("exit"))
		}
		out, code := r.shell(c.text, "")
		if code != want {
			r.Errorf("%s:%d: %s: exit code %d, want %d:\n%s", r.page.name, b.line, c.text, code, want, out)
			return false
		}
		got.WriteString(c.shown)
		if same(c.output, out) {
			out = c.output
		} else if !*write {
			r.Errorf("%s:%d: %s prints (-page +here):\n%s\n%s", r.page.name, b.line, c.text, cmp.Diff(form(c.output), form(out)), out)
		}
		got.WriteString(out)
	}
	r.page.blocks[i].body = got.String()
	return !r.Failed()
}

// command is one command of a block, with what the page says it prints.
type command struct{ text, shown, output string }

func commands(body string) []command {
	var out []command
	more := false
	for line := range strings.Lines(body) {
		text, begins := strings.CutPrefix(line, "$ ")
		switch {
		case begins:
			out = append(out, command{text: text, shown: line})
		case len(out) == 0:
			return nil
		case more:
			c := &out[len(out)-1]
			c.text += line
			c.shown += line
		default:
			out[len(out)-1].output += line
		}
		more = (begins || more) && strings.HasSuffix(line, "\\\n")
	}
	return out
}

// varies is what differs from run to run, and what is compared instead. Nothing else may differ.
var varies = []struct {
	is *regexp.Regexp
	as string
}{
	{regexp.MustCompile(`\b[0-9a-f]{10,64}\b`), "HASH"},
	{regexp.MustCompile(`\b[0-9a-z]{25}\b`), "ID"},
	{regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?(Z| UTC)?`), "TIME"},
	{regexp.MustCompile(`\b(\d+|About an?|Less than a) (second|minute)s? ago`), "AGO"},
	{regexp.MustCompile(`\b127\.\d+\.\d+\.\d+\b`), "ADDRESS"},
	{regexp.MustCompile(`\(epoch \d+\)`), "(epoch N)"},
	{regexp.MustCompile(`(manager-1|\(apply\))/[0-9a-f]+`), "$1/INSTANCE"},
	{regexp.MustCompile(` {2,}`), "  "}, // the width of a column depends on its content
	{regexp.MustCompile(`(?m) +$`), ""},
}

func form(s string) string {
	for _, v := range varies {
		s = v.is.ReplaceAllString(s, v.as)
	}
	return s
}

// same compares two texts by form. In the page, a line that is only "…" stands for any lines.
func same(page, here string) bool {
	pattern := regexp.QuoteMeta(form(page))
	pattern = regexp.MustCompile(`(?m)^…\n`).ReplaceAllString(pattern, "(?:.*\n)*?")
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(form(here))
}

// rewrite puts what the commands printed into the page.
func (r *reader) rewrite() {
	lines := strings.Split(r.page.text, "\n")
	old := parse(r.page.text)
	for i := len(old) - 1; i >= 0; i-- {
		if b := r.page.blocks[i]; b.lang == "console" && b.body != old[i].body {
			from := b.line - 1
			to := from + strings.Count(old[i].body, "\n")
			fresh := strings.Split(strings.TrimSuffix(b.body, "\n"), "\n")
			for n := range fresh {
				fresh[n] = strings.TrimRight(b.indent+fresh[n], " ")
			}
			lines = append(lines[:from], append(fresh, lines[to:]...)...)
		}
	}
	if text := strings.Join(lines, "\n"); text != r.page.text {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(r.page.name)), []byte(text), 0o644); err != nil {
			r.Error(err)
		}
	}
}
