package engine

import (
	"fmt"
	"io"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
)

const hidden = "(hidden)"

// RegistryAuth is a credential for a registry, in the form of the X-Registry-Auth header. It cannot be printed: it
// shows as "(hidden)". Inside an unexported field, where fmt calls no method, it shows as an address. The zero value
// is no credential.
type RegistryAuth struct{ encoded *string }

// NewRegistryAuth encodes a credential as the docker CLI does. An empty credential gives the zero value.
func NewRegistryAuth(a registry.AuthConfig) (RegistryAuth, error) {
	if a == (registry.AuthConfig{}) {
		return RegistryAuth{}, nil
	}
	encoded, err := authconfig.Encode(a)
	if err != nil {
		return RegistryAuth{}, fmt.Errorf("encoding a registry credential: %T", err)
	}
	return RegistryAuth{encoded: &encoded}, nil
}

// Reveal returns the header's value. Use it only for the header.
func (a RegistryAuth) Reveal() string {
	if a.encoded == nil {
		return ""
	}
	return *a.encoded
}

// Empty reports whether there is no credential.
func (a RegistryAuth) Empty() bool { return a.encoded == nil || *a.encoded == "" }

// String returns "(hidden)", or "" if there is no credential.
func (a RegistryAuth) String() string {
	if a.Empty() {
		return ""
	}
	return hidden
}

// GoString returns the same as String.
func (a RegistryAuth) GoString() string { return a.String() }

// Format writes the same as String, whatever the verb.
func (a RegistryAuth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// MarshalText returns the same as String.
func (a RegistryAuth) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// MarshalLog returns what logr may log.
func (a RegistryAuth) MarshalLog() any { return a.String() }
