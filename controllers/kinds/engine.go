package kinds

import (
	"fmt"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// OpenEngine opens the engine that a manifest states, with the TLS files that the manifest names. Nothing is sent before
// the first call. like has the options that are the same for all engines. It fails if the engine's options are wrong, or
// if the operator's configuration does not define the name.
func OpenEngine(e v1.EngineEndpoint, named config.Named, like engine.Options) (*engine.Client, error) {
	like.Host, like.Context, like.TLS = e.Host, "", engine.TLS{}
	if e.TLS != "" {
		t, is := named.TLS[e.TLS]
		if !is {
			return nil, fmt.Errorf("spec.engine.tls: %s is not defined in tls: of this operator's configuration (--config)", e.TLS)
		}
		verify := true
		like.TLS = engine.TLS{Enable: true, Verify: &verify, CACert: t.CAFile, Cert: t.CertFile, Key: t.KeyFile}
	}
	return engine.Open(like)
}
