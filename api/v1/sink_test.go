package v1

import (
	"strings"
	"testing"
)

func TestSinks(t *testing.T) {
	file := func(p string) Sink { return Sink{File: &FileSink{Path: p}} }
	age := func(file string, recipients ...string) Sink {
		return Sink{Age: &AgeSink{Recipients: recipients, File: file}}
	}
	command := func(argv ...string) Sink { return Sink{Command: &CommandSink{Argv: argv}} }
	for _, c := range []struct {
		name  string
		sinks []Sink
		want  string
	}{
		{"none", nil, ""},
		{"good", []Sink{file("/a"), age("/b", "age1x"), command("/bin/x", "-y"), age("/c", "ssh-ed25519 AAAA")}, ""},
		{"empty", []Sink{{}}, "s[0]: has to state exactly one of file, age, command, and states 0"},
		{"two in one", []Sink{{File: &FileSink{Path: "/a"}, Command: &CommandSink{Argv: []string{"/x"}}}}, "s[0]: has to state exactly one of file, age, command, and states 2"},
		{"twice", []Sink{file("/a"), age("/b", "age1x"), file("/a")}, "s[2]: is stated twice: also by s[0]"},
		{"relative", []Sink{file("a")}, `s[0].file.path: "a" is not an absolute path in its shortest form`},
		{"not the shortest", []Sink{file("/a/../b")}, `s[0].file.path: "/a/../b" is not an absolute path in its shortest form`},
		{"two lines", []Sink{file("/a\nb")}, `s[0].file.path: "/a\nb" is not an absolute path in its shortest form`},
		{"no path", []Sink{file("")}, "s[0].file.path: is missing"},
		{"no file", []Sink{age("", "age1x")}, "s[0].age.file: is missing"},
		{"nobody", []Sink{age("/a")}, "s[0].age.recipients: is missing: nobody could read it"},
		{"a private key", []Sink{age("/a", "AGE-SECRET-KEY-1CANARY")}, "s[0].age.recipients[0]: is a private key: it has to be taken back, and the public one stated"},
		{"a private key in small letters", []Sink{age("/a", "age-secret-key-1canary")}, "s[0].age.recipients[0]: is a private key: it has to be taken back, and the public one stated"},
		{"somebody's name", []Sink{age("/a", "ann")}, `s[0].age.recipients[0]: "ann" is not a public key such as age1…`},
		{"no program", []Sink{command()}, "s[0].command.argv: is missing"},
		{"a word for the shell", []Sink{command("vault")}, `s[0].command.argv[0]: "vault" is not an absolute path in its shortest form`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ps problems
			ps.sinks("s", c.sinks)
			var got []string
			for _, p := range ps {
				got = append(got, p.Path+": "+p.Message)
			}
			if text := strings.Join(got, "\n"); text != c.want {
				t.Errorf("got\n%s\nwant\n%s", text, c.want)
			}
			if strings.Contains(strings.ToLower(strings.Join(got, "")), "canary") {
				t.Error("a private key is shown")
			}
		})
	}
}

func TestCopiesOfSinksAreDeep(t *testing.T) {
	a := Sink{File: &FileSink{Path: "/a"}, Age: &AgeSink{Recipients: []string{"age1x"}, File: "/b"}, Command: &CommandSink{Argv: []string{"/x"}}}
	b := a.copy()
	b.File.Path, b.Age.Recipients[0], b.Command.Argv[0] = "", "", ""
	if a.File.Path != "/a" || a.Age.Recipients[0] != "age1x" || a.Command.Argv[0] != "/x" {
		t.Error("a change of the copy changed the original")
	}
}
