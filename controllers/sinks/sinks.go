// Package sinks delivers tokens and keys to where a manifest says: a file, an encrypted file, or a program. It shows
// the secret nowhere else: not in a log, an error, an argument or a variable, and not in what a program prints.
package sinks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
	"filippo.io/age/armor"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/files"
)

// patience is how long a program may take.
const patience = 30 * time.Second

// Prove returns an error if a secret could not be delivered. It is called before a secret is made that exists nowhere
// else. It leaves nothing behind, and runs no program.
func Prove(ctx context.Context, s v1.Sink) error {
	return named(s, prove(ctx, s))
}

func prove(ctx context.Context, s v1.Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case s.File != nil:
		return files.Prove(s.File.Path)
	case s.Age != nil:
		if _, err := encrypted(s.Age.Recipients, nil); err != nil {
			return err
		}
		return files.Prove(s.Age.File)
	case s.Command != nil:
		return runnable(s.Command.Argv)
	}
	return errNone
}

// Deliver delivers the secret as it is, with no newline added. If it returns nil, the secret is on the disk, or the
// program has read it and ended with 0. It may be called again with the same secret.
func Deliver(ctx context.Context, s v1.Sink, secret v1.Content) error {
	return named(s, deliver(ctx, s, secret, patience))
}

func deliver(ctx context.Context, s v1.Sink, secret v1.Content, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case secret.Len() == 0: // it would replace a secret that somebody needs
		return errors.New("there is nothing to deliver")
	case s.File != nil:
		return files.Write(s.File.Path, secret.Reveal())
	case s.Age != nil:
		data, err := encrypted(s.Age.Recipients, secret.Reveal())
		if err != nil {
			return err
		}
		return files.Write(s.Age.File, data)
	case s.Command != nil:
		if err := runnable(s.Command.Argv); err != nil {
			return err
		}
		return pass(ctx, s.Command.Argv, secret, limit)
	}
	return errNone
}

var errNone = errors.New("it has to state one of file, age, command")

// named adds to an error which sink it is about. It returns nil if err is nil.
func named(s v1.Sink, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("sink %s: %w", s.Name(), err)
}

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
