package sandbox

import (
	"context"
	"testing"
	"time"
)

func TestStart(t *testing.T) {
	begin := time.Now()
	sb, err := Start(context.Background(), Options{Managers: 1, Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("started 1+3 in %s", time.Since(begin))
	begin = time.Now()
	if err := sb.Close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed in %s", time.Since(begin))
}
