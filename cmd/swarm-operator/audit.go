package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"

	"github.com/swarm-operator/swarm-operator/controllers/audit"
	"github.com/swarm-operator/swarm-operator/controllers/status"
)

// auditFlag says where the record of what is done is kept.
type auditFlag string

// toOut is the value of the flag that stands for the standard output.
const toOut auditFlag = "-"

func (f *auditFlag) register(cmd *cobra.Command) {
	cmd.Flags().Var(place{(*string)(f), "FILE"}, "audit-log", "file to add a line in JSON to for each write, delivery, consent, hold and refusal, or - for the standard output (default: none)")
}

// open opens the record. It returns nil if there is none.
func (f auditFlag) open(out io.Writer, o audit.Options) (*audit.Log, error) {
	switch f {
	case "":
		return nil, nil
	case toOut:
		o.Out = out
	default:
		o.Path = string(f)
	}
	l, err := audit.Open(o)
	if err != nil {
		return nil, fmt.Errorf("--audit-log: %s: %w", f, err)
	}
	return l, nil
}

// check fails if the record cannot be opened.
func (f auditFlag) check() error {
	l, err := f.open(io.Discard, audit.Options{})
	if err != nil || l == nil {
		return err
	}
	return l.Close()
}

// command opens the record for a command that runs once. From then on, what is done in the command's context is on record.
func (f auditFlag) command(cmd *cobra.Command, out output) (done func(), err error) {
	if f == toOut && out.json() {
		return nil, errors.New("--audit-log: - is the standard output, and -o json writes its document there; name a file")
	}
	l, err := f.open(cmd.OutOrStdout(), audit.Options{Instance: holderName(cmd), Failed: func(line string, err error) {
		note(cmd, "--audit-log: %s: %v", f, err)
		if line != "" {
			note(cmd, "not in the audit log: %s", line)
		}
	}})
	if err != nil {
		return nil, err
	}
	cmd.SetContext(audit.With(cmd.Context(), l))
	return func() { _ = l.Close() }, nil // each line is written
}

// operator opens the record for run. It returns the context in which everything is on record. While the record cannot be written,
// a condition says so, and the log has the lines.
func (f auditFlag) operator(ctx context.Context, out io.Writer, instance string, board *status.Board, log logr.Logger) (_ context.Context, done func(), err error) {
	l, err := f.open(out, audit.Options{
		Instance: instance,
		Failed: func(line string, err error) {
			log.Error(err, "audit log not written", "file", string(f), "line", line)
			board.Tell(status.AuditLogFailed, true, "NotWritten", fmt.Sprintf("%s: %v", f, err))
		},
		Mended: func() { board.Tell(status.AuditLogFailed, false, "Written", "") },
	})
	if err != nil {
		return nil, nil, err
	}
	return audit.With(ctx, l), func() { _ = l.Close() }, nil
}
