package kinds

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// OpenEngine opens the engine that a manifest states. Nothing is sent before the first call. like has the options
// that are the same for all engines. It fails if the engine's options are wrong.
func OpenEngine(e v1.EngineEndpoint, like engine.Options) (*engine.Client, error) {
	like.Host, like.Context, like.TLS = e.Host, "", engine.TLS{}
	if t := e.TLS; t != nil {
		verify := true
		like.TLS = engine.TLS{Enable: true, Verify: &verify, CACert: t.CAFile, Cert: t.CertFile, Key: t.KeyFile}
	}
	return engine.Open(like)
}
