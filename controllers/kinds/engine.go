package kinds

import (
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
)

// OpenEngine opens the engine that a manifest states. Nothing is sent before the first call. like has what is the same for all.
func OpenEngine(e v1.EngineEndpoint, like engine.Options) (*engine.Client, error) {
	like.Host, like.Context, like.TLS = e.Host, "", engine.TLS{}
	if t := e.TLS; t != nil {
		verify := true
		like.TLS = engine.TLS{Enable: true, Verify: &verify, CACert: t.CAFile, Cert: t.CertFile, Key: t.KeyFile}
	}
	return engine.Open(like)
}
