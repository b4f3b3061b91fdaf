package rescue

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func poisoned() { panic("POSTGRES_PASSWORD=canary") }

func TestDoReturnsTheErrorOfAFunctionThatEnds(t *testing.T) {
	is := errors.New("its own")
	if err := Do(func() error { return is }); !errors.Is(err, is) {
		t.Errorf("got %v", err)
	}
	if err := Do(func() error { return nil }); err != nil {
		t.Errorf("got %v", err)
	}
}

// The value of a panic is shown nowhere. The stack says where it happened.
func TestAPanicIsAnErrorWithAStackAndWithoutItsValue(t *testing.T) {
	err := Do(func() error { poisoned(); return nil })
	p, is := errors.AsType[*Panic](err)
	if !is || p.Type != "string" || !strings.Contains(p.Stack, "rescue.poisoned") {
		t.Fatalf("got %#v", err)
	}
	if text := fmt.Sprintf("%v %+v %s", err, p, p.Stack); strings.Contains(text, "canary") {
		t.Errorf("it shows the value: %s", text)
	}
}

// argued panics with arguments that nobody may see. They are what runtime.Stack prints as numbers.
//
//go:noinline
func argued(key [2]uint64, text string) {
	if len(text) > 0 {
		panic(key)
	}
}

func TestAStackShowsNoArguments(t *testing.T) {
	err := Do(func() error { argued([2]uint64{0xfeedface, 0xfeedface}, "canary"); return nil })
	p, is := errors.AsType[*Panic](err)
	if !is || p.Type != "[2]uint64" || !strings.Contains(p.Stack, "rescue.argued\n") || !strings.Contains(p.Stack, "rescue_test.go:") {
		t.Fatalf("got %#v", err)
	}
	if strings.Contains(p.Stack, "0x") || strings.Contains(p.Stack, "feedface") || strings.Contains(p.Stack, "canary") {
		t.Errorf("it shows more than functions and lines:\n%s", p.Stack)
	}
}

// What ends the process is printed by Go: the text of an error. It says where the panic happened, and not its value.
func TestAPanicThatEndsTheProcessShowsNoValue(t *testing.T) {
	ran := false
	Clean(func() { ran = true })()
	if !ran {
		t.Error("it does not run what it was given")
	}
	var thrown any
	func() {
		defer func() { thrown = recover() }()
		Clean(Clean(poisoned))()
	}()
	err, is := thrown.(error)
	if !is || !strings.HasPrefix(err.Error(), "a fault in swarm-operator (string); ") || !strings.Contains(err.Error(), "rescue.poisoned") || strings.Contains(err.Error(), "canary") {
		t.Errorf("it ends with %v", thrown)
	}
	if n := strings.Count(err.Error(), "a fault in"); n != 1 {
		t.Errorf("it says %d times that it is a fault: %v", n, err)
	}
}

// A panic that was carried over to another goroutine keeps the stack of the one that it happened in.
func TestAPanicGoesOnInTheCallersGoroutine(t *testing.T) {
	var all sync.WaitGroup
	errs := make([]error, 3)
	for i := range errs {
		all.Go(func() {
			errs[i] = Do(func() error {
				if i == 1 {
					poisoned()
				}
				return nil
			})
		})
	}
	all.Wait()
	err := Do(func() error { Again(errs...); return errors.New("it did not panic") })
	if p, is := errors.AsType[*Panic](err); !is || !strings.Contains(p.Stack, "rescue.poisoned") {
		t.Errorf("got %v", err)
	}
	Again(nil, errors.New("no panic"), fmt.Errorf("nor this: %w", errors.ErrUnsupported))
}
