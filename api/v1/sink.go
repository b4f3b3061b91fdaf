package v1

import (
	"path"
	"slices"
	"strings"
)

// Sink is where a join token or an unlock key goes. Exactly one of its fields must be stated.
type Sink struct {
	// File is a file that holds the token or key as it is. Only its owner can read it.
	File *FileSink `json:"file,omitempty"`
	// Age is an encrypted file that only the recipients can read.
	Age *AgeSink `json:"age,omitempty"`
	// Command is a program that gets the token or key on its standard input. It must exit with 0 within 30 s.
	Command *CommandSink `json:"command,omitempty"`
}

// FileSink is a file on the machine where the operator runs. The operator replaces it atomically and gives it the
// mode 0600.
type FileSink struct {
	// Path is the absolute path of the file.
	Path string `json:"path"`
}

// AgeSink is a file that is encrypted with age.
type AgeSink struct {
	// Recipients are public keys, such as age1…. The private key of any one of them opens the file.
	Recipients []string `json:"recipients"`
	// File is the absolute path of the encrypted file.
	File string `json:"file"`
}

// CommandSink is a program that the operator runs without a shell.
type CommandSink struct {
	// Argv is the program's absolute path and its arguments.
	Argv []string `json:"argv"`
}

func (s Sink) copy() Sink {
	s.File, s.Age, s.Command = clone(s.File), clone(s.Age), clone(s.Command)
	if s.Age != nil {
		s.Age.Recipients = slices.Clone(s.Age.Recipients)
	}
	if s.Command != nil {
		s.Command.Argv = slices.Clone(s.Command.Argv)
	}
	return s
}

// Name returns a name that tells sinks apart. It contains nothing of the token or key.
func (s Sink) Name() string {
	switch {
	case s.File != nil:
		return "file " + s.File.Path
	case s.Age != nil:
		return "age " + s.Age.File
	case s.Command != nil:
		return "command " + strings.Join(s.Command.Argv, " ")
	}
	return ""
}

func (ps *problems) absolute(at, name string) {
	switch {
	case name == "":
		ps.add(at, "is missing")
	case !path.IsAbs(name) || path.Clean(name) != name || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		ps.add(at, "%q is not an absolute path in its shortest form", name)
	}
}

// sinks checks a list of sinks. It adds a problem for a sink that is stated twice.
func (ps *problems) sinks(at string, list []Sink) {
	seen := map[string]int{}
	for i, s := range list {
		ps.sink(index(at, i), s)
		if first, twice := seen[s.Name()]; twice && s.Name() != "" {
			ps.add(index(at, i), "is stated twice: also by %s[%d]", at, first)
		}
		seen[s.Name()] = i
	}
}

func (ps *problems) sink(at string, s Sink) {
	n := 0
	for _, is := range []bool{s.File != nil, s.Age != nil, s.Command != nil} {
		if is {
			n++
		}
	}
	if n != 1 {
		ps.add(at, "has to state exactly one of file, age, command, and states %d", n)
		return
	}
	switch {
	case s.File != nil:
		ps.absolute(at+".file.path", s.File.Path)
	case s.Age != nil:
		ps.absolute(at+".age.file", s.Age.File)
		if len(s.Age.Recipients) == 0 {
			ps.add(at+".age.recipients", "is missing: nobody could read it")
		}
		for i, r := range s.Age.Recipients {
			if strings.HasPrefix(strings.ToUpper(r), "AGE-SECRET-KEY-") {
				ps.add(index(at+".age.recipients", i), "is a private key: it has to be taken back, and the public one stated")
			} else if !strings.HasPrefix(r, "age1") && !strings.HasPrefix(r, "ssh-") {
				ps.add(index(at+".age.recipients", i), "%q is not a public key such as age1…", r)
			}
		}
	default:
		if len(s.Command.Argv) == 0 {
			ps.add(at+".command.argv", "is missing")
			return
		}
		ps.absolute(index(at+".command.argv", 0), s.Command.Argv[0])
	}
}
