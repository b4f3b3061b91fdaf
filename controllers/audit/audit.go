// Package audit keeps a record of what the operator does: a line for each write to an engine, for each delivery, and
// for each consent, hold and refusal that it goes by. Everything reaches the record through the context. So no caller
// has to think of it, and a call of any engine's client is on record. The record has names, and never a value: no
// content, no setting of an object, and no text of an engine, a sink or a guard, any of which may quote one.
package audit

import (
	"context"
	"time"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
	"github.com/swarm-operator/swarm-operator/controllers/engine"
	"github.com/swarm-operator/swarm-operator/diff/plan"
)

// Event is what a line is about.
type Event string

// The events.
const (
	Write    Event = "write"
	Delivery Event = "delivery"
	Consent  Event = "consent"
	Hold     Event = "hold"
	Refusal  Event = "refusal"
	// Gap says that lines before it are missing, because the record could not be written.
	Gap Event = "gap"
)

// These are the results.
const (
	// Done says that the engine has accepted a write, or that a sink has taken a delivery.
	Done = "done"
	// Failed says that the engine has refused a write, or that a sink has not taken a delivery.
	Failed = "failed"
	// Unknown says that a write was sent and that no answer came.
	Unknown = "unknown"
	// Began and Ended are the results of what stands for a while: holds and refusals.
	Began = "began"
	Ended = "ended"
	// Given is the result of a consent.
	Given = "given"
)

// Line is one line of the record.
type Line struct {
	// Time is when the result was known, in UTC.
	Time time.Time `json:"time"`
	// Instance is the process that did it: the name of the operator's instance, or of the machine and the command.
	Instance string `json:"instance"`
	// Event is what the line is about.
	Event Event `json:"event"`
	// Result is what became of it.
	Result string `json:"result"`
	Cause
	// Object is the object, such as Service/web. For a hold it is the target.
	Object string `json:"object,omitempty"`
	// Operation is what the plan does to the object: create, update, replace or remove. It is absent from writes that
	// no step of a plan makes.
	Operation string `json:"operation,omitempty"`
	Call
	// To is the name of the sink that a delivery went to, and What is the token or key.
	To   string `json:"to,omitempty"`
	What string `json:"what,omitempty"`
	Why
	// Missing is how many lines are missing before this one.
	Missing int `json:"missing,omitempty"`
}

// Cause is what led to it.
type Cause struct {
	// Source is the name of the source.
	Source string `json:"source,omitempty"`
	// Revision is the hash of the commit in force, and Author is who wrote that commit.
	Revision string `json:"revision,omitempty"`
	Author   string `json:"author,omitempty"`
	// Signer is what the signature of that commit says. It is absent if the commit is not signed.
	Signer *Signer `json:"signer,omitempty"`
	// Epoch is the epoch of the lease. It grows with each holder.
	Epoch uint64 `json:"epoch,omitempty"`
	// Consents are the agreements in force to what a step may do to its object.
	Consents []Agreement `json:"consents,omitempty"`
}

// Signer is what the signature of a commit says.
type Signer struct {
	// Key is the key that the signature names: ssh or openpgp with its fingerprint, or unknown.
	Key string `json:"key"`
	// Verified is false: nobody has checked that the signature was made with that key.
	Verified bool `json:"verified"`
}

// Call is a call of the Engine API.
type Call struct {
	// Call is the method and the path, without the API version.
	Call string `json:"call,omitempty"`
	// Engine is the address of the engine.
	Engine string `json:"engine,omitempty"`
	// Status is the HTTP status of the answer. It is absent if no answer came.
	Status int `json:"status,omitempty"`
}

// Why is who decided something, and why.
type Why struct {
	// By is who gave a hold or a consent or, in the line of a command that ends a hold, who ended it.
	By string `json:"by,omitempty"`
	// Reason is why, in the words of whoever gave the hold, or how the consent was given.
	Reason string `json:"reason,omitempty"`
	// Until is when a hold or a refusal ends by itself.
	Until time.Time `json:"until,omitzero"`
	// Hazard is the harm that was agreed to, or that waits for consent.
	Hazard string `json:"hazard,omitempty"`
	// Objects are the objects that a consent is limited to.
	Objects []v1.Key `json:"objects,omitempty"`
	// Guard is what refuses a step. Class is consent if somebody may agree to it, otherwise never.
	Guard string `json:"guard,omitempty"`
	Class string `json:"class,omitempty"`
}

// Agreement is a consent that a step relied on.
type Agreement struct {
	// Hazard is the harm that was agreed to.
	Hazard string `json:"hazard"`
	// By is who agreed, and How is where: in a commit, or with a command.
	By  string `json:"by,omitempty"`
	How string `json:"how,omitempty"`
}

// Run is a run, for the lines of what it does.
type Run struct {
	Source, Revision, Author string
	// Signer is the key that the commit's signature names, which nobody has checked. "" means that it is not signed.
	Signer string
	// Given are the consents that the plan was made with.
	Given plan.Consents
}

// step is a step of a run.
type step struct {
	object, operation string
	consents          []Agreement
}

type (
	logKey  struct{}
	runKey  struct{}
	stepKey struct{}
)

// With returns a context under which each write to an engine is on record. It returns ctx if there is no log.
func With(ctx context.Context, l *Log) context.Context {
	if l == nil {
		return ctx
	}
	return engine.Recorded(context.WithValue(ctx, logKey{}, l), l.wrote)
}

// of returns the log of a context. It is nil if there is none; a nil log does nothing.
func of(ctx context.Context) *Log {
	l, _ := ctx.Value(logKey{}).(*Log)
	return l
}

// InRun returns a context whose lines name the run.
func InRun(ctx context.Context, r Run) context.Context {
	if of(ctx) == nil {
		return ctx
	}
	return context.WithValue(ctx, runKey{}, r)
}

// InStep returns a context whose lines name the step, and who agreed to it.
func InStep(ctx context.Context, s plan.Step) context.Context {
	if of(ctx) == nil {
		return ctx
	}
	r, _ := ctx.Value(runKey{}).(Run)
	is := step{object: s.Key.String(), operation: s.Op.Word()}
	for _, c := range r.Given.To(s.Risks(), s.Key) {
		is.consents = append(is.consents, Agreement{Hazard: string(c.Hazard), By: name(c.By), How: v1.Scrub(c.How)})
	}
	return context.WithValue(ctx, stepKey{}, is)
}

// causeOf returns what led to what is done in a context.
func causeOf(ctx context.Context) Cause {
	r, _ := ctx.Value(runKey{}).(Run)
	s, _ := ctx.Value(stepKey{}).(step)
	cause := r.cause()
	cause.Epoch, cause.Consents = engine.EpochOf(ctx), s.consents
	return cause
}

// cause returns what a line says of the run.
func (r Run) cause() Cause {
	out := Cause{Source: r.Source, Revision: r.Revision, Author: name(r.Author)}
	if r.Signer != "" {
		out.Signer = &Signer{Key: v1.Scrub(r.Signer)}
	}
	return out
}

// longestName is how many characters of a name a line has.
const longestName = 200

// name returns what a line has of the name of somebody. Whoever writes a commit chooses the name of its author, and each
// line has it: a long one would soon fill the record.
func name(text string) string {
	text = v1.Scrub(text)
	if runes := []rune(text); len(runes) > longestName {
		return string(runes[:longestName]) + "…"
	}
	return text
}

// wrote puts a write on record.
func (l *Log) wrote(ctx context.Context, w engine.Write) {
	s, _ := ctx.Value(stepKey{}).(step)
	line := Line{
		Event: Write, Result: Done, Cause: causeOf(ctx), Object: w.Object, Operation: s.operation,
		Call: Call{Call: w.Method + " " + w.Path, Engine: w.Host, Status: w.Status},
	}
	if s.object != "" {
		line.Object = s.object
	}
	switch {
	case w.Status == 0:
		line.Result = Unknown
	case w.Status/100 != 2:
		line.Result = Failed
	}
	l.add(line)
}

// Delivered puts on record that a token or a key went to a sink, or that it did not.
func Delivered(ctx context.Context, what, to string, done bool) {
	line := Line{Event: Delivery, Result: Done, Cause: causeOf(ctx), What: what, To: to}
	if !done {
		line.Result = Failed
	}
	of(ctx).add(line)
}

// Agreed puts consents on record that somebody gives by command.
func Agreed(ctx context.Context, r Run) { of(ctx).consents(r) }

// Stopped puts on record that somebody begins or ends a hold by command.
func Stopped(ctx context.Context, h plan.Hold, by, result string) {
	line := held(h)
	line.By, line.Result = name(by), result
	of(ctx).add(line)
}
