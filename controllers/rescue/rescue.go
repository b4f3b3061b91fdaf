// Package rescue carries a panic out of the goroutine in which it happens, so that it costs a run or a step, and not the
// process.
package rescue

import (
	"errors"
	"fmt"
	"runtime"
)

// Panic is a panic as an error. It does not have the panic's value, because that could quote a manifest or a secret.
type Panic struct {
	// Type is the type of the panic's value.
	Type string
	// Stack is the stack of the goroutine that panicked. It names functions, and quotes no text.
	Stack string
}

func (p *Panic) Error() string {
	return fmt.Sprintf("a fault in swarm-operator (%s); please report it, with its stack", p.Type)
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
	buf := make([]byte, 16<<10)
	return &Panic{Type: fmt.Sprintf("%T", v), Stack: string(buf[:runtime.Stack(buf, false)])}
}

// Again panics once more, in the goroutine of its caller, if one of the errors is a Panic.
func Again(errs ...error) {
	for _, err := range errs {
		if p, is := errors.AsType[*Panic](err); is {
			panic(p)
		}
	}
}
