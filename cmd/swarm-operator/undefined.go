package main

import (
	"fmt"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/manifests"
)

// undefined returns a notice for each name in the manifests that a configuration does not define: of a sink, of a root
// for the CA, or of the files for TLS with an engine. It is no problem, because the configuration of a job that validates
// need not be the operator's.
func undefined(set manifests.Set, file *config.Configuration) (out []v1.Problem) {
	for _, e := range set.Entries {
		if set.Held[e.Key()] != "" {
			continue
		}
		note := func(path, name, in string, defined bool) {
			if name == "" || defined {
				return
			}
			at := e.Position(path)
			out = append(out, v1.Problem{
				File: at.File, Line: at.Line, Object: e.Key(), Path: path,
				Message: fmt.Sprintf("%q is not in %s: of this configuration (--config); an operator needs it there", name, in),
			})
		}
		sink := func(path, name string) {
			_, defined := file.Sinks[name]
			note(path, name, "sinks", defined)
		}
		switch o := e.Object.(type) {
		case *v1.Cluster:
			if ca := o.Spec.CA; ca != nil {
				_, defined := file.Authorities[ca.Signing]
				note("spec.ca.signing", ca.Signing, "authorities", defined)
			}
			if tokens := o.Spec.JoinTokens; tokens != nil {
				tokenSinks("spec.joinTokens.worker.sinks", tokens.Worker, sink)
				tokenSinks("spec.joinTokens.manager.sinks", tokens.Manager, sink)
			}
			if lock := o.Spec.Autolock; lock != nil {
				sink("spec.autolock.escrow", lock.Escrow)
			}
		case *v1.Node:
			if engine := o.Spec.Engine; engine != nil {
				_, defined := file.TLS[engine.TLS]
				note("spec.engine.tls", engine.TLS, "tls", defined)
			}
		}
	}
	return out
}

// tokenSinks calls sink with each sink of a join token and where it stands.
func tokenSinks(at string, token *v1.JoinToken, sink func(path, name string)) {
	if token == nil {
		return
	}
	for i, name := range token.Sinks {
		sink(fmt.Sprintf("%s[%d]", at, i), name)
	}
}
