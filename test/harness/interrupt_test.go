package harness

import (
	"context"
	"os"
	"testing"
)

func TestAContextEndsWithItsReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	ctx, out, stop := Interruptible(w)
	defer stop()
	if _, err := out.Write([]byte("a")); err != nil || ctx.Err() != nil {
		t.Fatalf("while somebody reads: %v, %v", err, ctx.Err())
	}
	_ = r.Close()
	if _, err := out.Write([]byte("b")); err == nil || context.Cause(ctx) == nil {
		t.Errorf("when nobody reads: %v, %v", err, ctx.Err())
	}
}
