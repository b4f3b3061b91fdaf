// Package rescue carries a panic out of the goroutine in which it happens, so that it costs a run or a step, and not the
// process.
package rescue

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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

// Clean returns f for a goroutine in which nothing else recovers. If f panics, the process ends, as it would without
// Clean. But Go prints the value of a panic, which Clean replaces by the Panic with its stack.
func Clean(f func()) func() {
	return func() {
		if err := Do(func() error { f(); return nil }); err != nil {
			p, _ := errors.AsType[*Panic](err) // f returns no error
			panic(fatal{p})
		}
	}
}

// fatal is the value of a panic that ends the process. Go prints its text.
type fatal struct{ *Panic }

func (f fatal) Error() string { return f.Panic.Error() + "\n" + f.Stack }

// Of returns the Panic of a value that was recovered. Call it in the deferred function that recovers. A Panic that Again
// or Clean has thrown stays as it is.
func Of(v any) *Panic {
	switch p := v.(type) {
	case *Panic:
		return p
	case fatal:
		return p.Panic
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

// InParallel calls do for 0 to n-1 on all cores. The calls must not touch each other's results. If one panics, so does
// InParallel.
func InParallel(n int, do func(i int)) {
	const chunk = 64
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, min(runtime.GOMAXPROCS(0), (n+chunk-1)/chunk))
	for worker := range errs {
		all.Go(func() {
			errs[worker] = Do(func() error {
				for {
					end := int(next.Add(chunk))
					for i := end - chunk; i < min(end, n); i++ {
						do(i)
					}
					if end >= n {
						return nil
					}
				}
			})
		})
	}
	all.Wait()
	Again(errs...)
}
