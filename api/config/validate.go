package config

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/redact"
)

// problems collects what Validate finds.
type problems []v1.Problem

func (ps *problems) add(at, format string, args ...any) {
	*ps = append(*ps, v1.Problem{Path: at, Message: fmt.Sprintf(format, args...)})
}

// Validate returns everything that is wrong with what the file alone says. Values of flags are checked where the flags
// are.
func (c *Configuration) Validate() []v1.Problem {
	var ps problems
	switch {
	case len(c.Sources) > 1:
		ps.add("sources[1]", "is one too many: an operator follows one source; run another operator for the next")
	case c.Sources != nil && len(c.Sources) == 0:
		ps.add("sources", "%s", c.Sources.NoEntry())
	case statesNothing(reflect.ValueOf(*c)):
		ps.add("", "states nothing, so that the operator would enforce, without guardrails, and answer without tokens; "+
			"state at least one source, such as sources: [{location: URL, mode: observe}], or leave out --config")
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		at := "sinks." + name
		ps.name(at, name)
		ps.sink(at, c.Sinks[name])
	}
	for _, name := range slices.Sorted(maps.Keys(c.Authorities)) {
		at, a := "authorities."+name, c.Authorities[name]
		ps.name(at, name)
		ps.absolute(at+".certFile", a.CertFile)
		ps.absolute(at+".keyFile", a.KeyFile)
	}
	for _, name := range slices.Sorted(maps.Keys(c.TLS)) {
		at, t := "tls."+name, c.TLS[name]
		ps.name(at, name)
		ps.absolute(at+".caFile", t.CAFile)
		if t.CertFile != "" || t.KeyFile != "" {
			ps.absolute(at+".certFile", t.CertFile)
			ps.absolute(at+".keyFile", t.KeyFile)
		}
	}
	for i, name := range c.Show {
		if wrong := redact.CheckPattern(name); wrong != "" {
			ps.add(fmt.Sprintf("show[%d]", i), "%q %s", name, wrong)
		}
	}
	return ps
}

// statesNothing reports whether all that a part of the file states is empty or false.
func statesNothing(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if !statesNothing(v.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	}
	return v.IsZero()
}

func (ps *problems) name(at, name string) {
	if !v1.IsConfiguredName(name) {
		ps.add(at, "%q is not a name that manifests can use: %s", name, v1.ConfiguredNames)
	}
}

func (ps *problems) absolute(at, name string) {
	switch {
	case name == "":
		ps.add(at, "is missing")
	case !path.IsAbs(name) || path.Clean(name) != name || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }):
		ps.add(at, "%q is not an absolute path in its shortest form", name)
	}
}

func (ps *problems) sink(at string, s Sink) {
	n := 0
	for _, is := range []bool{s.File != "", s.Age != nil, s.Command != nil} {
		if is {
			n++
		}
	}
	if n != 1 {
		ps.add(at, "has to state exactly one of file, age, command, and states %d", n)
		return
	}
	if s.Command == nil && s.Verify != nil {
		ps.add(at+".verify", "is only for command: the operator looks at files by itself")
	} else if s.Verify != nil {
		ps.program(at+".verify", s.Verify)
	}
	if s.Command != nil && s.Volatile {
		ps.add(at+".volatile", "is only for file and age")
	}
	switch {
	case s.File != "":
		ps.absolute(at+".file", s.File)
	case s.Age != nil:
		ps.age(at+".age", s.Age)
	default:
		ps.program(at+".command", s.Command)
	}
}

func (ps *problems) program(at string, argv []string) {
	if len(argv) == 0 {
		ps.add(at, "is empty: it takes the absolute path of a program, and its arguments")
		return
	}
	ps.absolute(at+"[0]", argv[0])
}

func (ps *problems) age(at string, s *AgeSink) {
	ps.absolute(at+".file", s.File)
	if len(s.Recipients) == 0 {
		ps.add(at+".recipients", "is missing: nobody could read it")
	}
	for i, r := range s.Recipients {
		here := fmt.Sprintf("%s.recipients[%d]", at, i)
		if strings.HasPrefix(strings.ToUpper(r), "AGE-SECRET-KEY-") {
			ps.add(here, "is a private key: it has to be taken back, and the public one stated")
		} else if !strings.HasPrefix(r, "age1") && !strings.HasPrefix(r, "ssh-") {
			ps.add(here, "%q is not a public key such as age1…", r)
		}
	}
}
