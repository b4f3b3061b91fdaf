// Package sinks delivers tokens and keys to the places that the operator's configuration defines: a file, an encrypted
// file, or a program. Manifests name them. It shows the secret nowhere else: not in a log, an error, an argument or a
// variable, and not in what a program prints. Its errors show no argument of a program either.
package sinks

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"

	"github.com/swarm-operator/swarm-operator/api/config"
	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
)

// patience is how long a program may take to store a secret, and verifying how long one may take to look for it.
const (
	patience  = 30 * time.Second
	verifying = 10 * time.Second
)

// Set has the sinks that the operator's configuration defines, by name.
type Set map[string]config.Sink

// Prove returns an error if a secret could not be delivered to the sink of that name. It is called before a secret is
// made that exists nowhere else. It leaves nothing behind, and runs no program.
func (set Set) Prove(ctx context.Context, name string) error {
	return set.with(name, func(s config.Sink) error { return prove(ctx, s) })
}

// Deliver delivers the secret to the sink of that name, as it is, with no newline added. If it returns nil, the secret is
// on the disk, or the program has read it and ended with 0. It may be called again with the same secret.
func (set Set) Deliver(ctx context.Context, name string, secret v1.Content) error {
	return set.with(name, func(s config.Sink) error { return deliver(ctx, s, secret, patience) })
}

// Has returns an error if the sink of that name has lost what was delivered to it, as far as anybody can tell: a file is
// gone or has other content, or the sink's verify program does not find the secret. Of a sink that this process does not
// know, it returns nil.
func (set Set) Has(ctx context.Context, name string, secret v1.Content) error {
	if _, known := set[name]; !known {
		return nil
	}
	return set.with(name, func(s config.Sink) error { return has(ctx, s, secret) })
}

func has(ctx context.Context, s config.Sink, secret v1.Content) error {
	switch {
	case s.Path() != "":
		return holds(s.Path(), secret)
	case s.Verify == nil:
		return nil
	}
	if err := runnable(s.Verify); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if err := pass(ctx, s.Verify, secret, verifying); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	return nil
}

// Keep saves beside its file what the sink of that name has now. A manager that was down while the unlock key changed
// needs the former key. A program that gets secrets keeps them itself.
func (set Set) Keep(name string) error { return set.with(name, keep) }

// with calls do with the sink of that name. An error says which sink it is about.
func (set Set) with(name string, do func(config.Sink) error) error {
	s, is := set[name]
	err := errUndefined
	if is {
		err = do(s)
	}
	if err == nil {
		return nil
	}
	return fmt.Errorf("sink %s: %w", name, err)
}

// errUndefined is the error of a sink that a manifest names and this process does not know. Another instance may.
var errUndefined = errors.New("this operator's configuration (--config) does not define it")

func prove(ctx context.Context, s config.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case s.File != "":
		return provable(s)
	case s.Age != nil:
		if _, err := encrypted(s.Age.Recipients, nil); err != nil {
			return err
		}
		return provable(s)
	case s.Command != nil:
		return runnable(s.Command)
	}
	return errNone
}

// provable returns an error if the operator could not write the file of a sink.
func provable(s config.Sink) error {
	return cmp.Or(lasting(s), foreign(s.Path()), files.Prove(s.Path()))
}

// lasting returns an error if the file of a sink would be on a file system that a restart empties, and the sink does not
// allow that.
func lasting(s config.Sink) error {
	if s.Volatile {
		return nil
	}
	lost, err := files.Volatile(s.Path())
	if err != nil {
		return err
	}
	if lost {
		return errors.New("its file would be on a file system that a restart empties (tmpfs); give it another path, or volatile: true if that is meant")
	}
	return nil
}

func deliver(ctx context.Context, s config.Sink, secret v1.Content, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case secret.Len() == 0: // it would replace a secret that somebody needs
		return errors.New("there is nothing to deliver")
	case s.File != "":
		return replace(s, secret.Reveal(), secret)
	case s.Age != nil:
		data, err := encrypted(s.Age.Recipients, secret.Reveal())
		if err != nil {
			return err
		}
		return replace(s, data, secret)
	case s.Command != nil:
		if err := runnable(s.Command); err != nil {
			return err
		}
		return pass(ctx, s.Command, secret, limit)
	}
	return errNone
}

var errNone = errors.New("it has to state one of file, age, command")

// encrypted returns the secret as an armored age file.
func encrypted(recipients []string, secret []byte) ([]byte, error) {
	var all []age.Recipient
	for _, text := range recipients {
		r, err := recipient(text)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	if len(all) == 0 {
		return nil, errors.New("it has no recipients: nobody could read it")
	}
	var b bytes.Buffer
	armored := armor.NewWriter(&b)
	w, err := age.Encrypt(armored, all...)
	if err != nil {
		return nil, fmt.Errorf("encrypting for the recipients: %w", err)
	}
	if _, err := w.Write(secret); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	for _, c := range []io.Closer{w, armored} {
		if err := c.Close(); err != nil {
			return nil, fmt.Errorf("encrypting: %w", err)
		}
	}
	return b.Bytes(), nil
}

// recipient reads a public key. Its errors do not use the parsers' errors, which repeat the text: it might be a
// private key by mistake.
func recipient(text string) (age.Recipient, error) {
	switch {
	case strings.HasPrefix(text, "age1pq1"):
		if r, err := age.ParseHybridRecipient(text); err == nil {
			return r, nil
		}
	case strings.HasPrefix(text, "age1"):
		if r, err := age.ParseX25519Recipient(text); err == nil {
			return r, nil
		}
	case strings.HasPrefix(text, "ssh-"):
		if r, err := agessh.ParseRecipient(text); err == nil {
			return r, nil
		}
	default:
		return nil, errors.New("a recipient is no public key: they begin with age1, ssh-ed25519 or ssh-rsa")
	}
	return nil, fmt.Errorf("recipient %.16s… cannot be read: it has to be a public key of age or ssh, complete and of no plugin", text)
}
