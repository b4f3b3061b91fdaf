// Package rescue carries a panic out of the goroutine in which it happens, so that it costs a run or a step, and not the
// process.
package rescue

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
)

// Panic is a panic as an error. It does not have the panic's value, because that could quote a manifest or a secret.
type Panic struct {
	// Type is the type of the panic's value.
	Type string
	// Stack has the functions that the goroutine was in when it panicked, the innermost first, with their files and lines.
	// It has no arguments: those of runtime.Stack are numbers, and may be parts of a secret.
	Stack string
}

func (p *Panic) Error() string {
	return fmt.Sprintf("a fault in swarm-operator (%s); please report it with its stack, which shows no values", p.Type)
}

// Do calls f and returns its error. If f panics, Do returns a Panic.
func Do(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = Of(v)
		}
	}()
	return f()
}

// Of returns the Panic of a value that was recovered. Call it in the deferred function that recovers. A Panic that Again
// has thrown stays as it is.
func Of(v any) *Panic {
	if p, is := v.(*Panic); is {
		return p
	}
	return &Panic{Type: fmt.Sprintf("%T", v), Stack: stack()}
}

// deepest is how many functions a stack has at most.
const deepest = 100

// stack returns the stack of the caller's caller, which has just recovered.
func stack() string {
	pcs := make([]uintptr, deepest)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)]) // without runtime.Callers, stack and Of
	var b strings.Builder
	for more := true; more; {
		var f runtime.Frame
		f, more = frames.Next()
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()
}

// Again panics once more, in the goroutine of its caller, if one of the errors is a Panic.
func Again(errs ...error) {
	for _, err := range errs {
		if p, is := errors.AsType[*Panic](err); is {
			panic(p)
		}
	}
}
