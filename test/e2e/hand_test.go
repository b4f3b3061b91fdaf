package e2e

import (
	"github.com/moby/moby/api/types/swarm"
	"github.com/moby/moby/client"
)

// byHand changes a service as a person does, and returns when the engine has accepted the change.
func (w *world) byHand(name string, change func(*swarm.ServiceSpec)) {
	w.Helper()
	w.eventually(func() error {
		s := w.service(name)
		change(&s.Spec)
		_, err := w.api.ServiceUpdate(w.Context(), s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec})
		return err
	})
}

func (w *world) scale(name string, n uint64) {
	w.Helper()
	w.byHand(name, func(s *swarm.ServiceSpec) { s.Mode.Replicated.Replicas = &n })
}

// rollback does what docker service rollback does.
func (w *world) rollback(name string) {
	w.Helper()
	w.eventually(func() error {
		s := w.service(name)
		_, err := w.api.ServiceUpdate(w.Context(), s.ID, client.ServiceUpdateOptions{Version: s.Version, Spec: s.Spec, Rollback: "previous"})
		return err
	})
}

// createService makes a service by hand. If pin is true, the registry is asked for the image's digest, as the docker
// CLI does.
func (w *world) createService(spec swarm.ServiceSpec, pin bool) string {
	w.Helper()
	r, err := w.api.ServiceCreate(w.Context(), client.ServiceCreateOptions{Spec: spec, QueryRegistry: pin})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}

func (w *world) createConfig(name, content string) string {
	w.Helper()
	return w.createConfigLabelled(name, content, nil)
}

func (w *world) createConfigLabelled(name, content string, labels map[string]string) string {
	w.Helper()
	r, err := w.api.ConfigCreate(w.Context(), client.ConfigCreateOptions{Spec: swarm.ConfigSpec{Annotations: swarm.Annotations{Name: name, Labels: labels}, Data: []byte(content)}})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}

func (w *world) removeConfig(id string) {
	w.Helper()
	if _, err := w.api.ConfigRemove(w.Context(), id, client.ConfigRemoveOptions{}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) createSecret(name, content string) string {
	w.Helper()
	r, err := w.api.SecretCreate(w.Context(), client.SecretCreateOptions{Spec: swarm.SecretSpec{Annotations: swarm.Annotations{Name: name}, Data: []byte(content)}})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}

func (w *world) createNetwork(name string, labels map[string]string) string {
	w.Helper()
	r, err := w.api.NetworkCreate(w.Context(), name, client.NetworkCreateOptions{Driver: "overlay", Scope: "swarm", Labels: labels})
	if err != nil {
		w.Fatal(err)
	}
	return r.ID
}
