package generate

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// watched is a test that may fail. It notes what it fails with.
type watched struct {
	testing.TB
	said string
}

func (w *watched) Fatalf(format string, args ...any) {
	w.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// A life that panics or fails ends the test. No other life takes its place.
func TestALifeThatFailsEndsTheTest(t *testing.T) {
	for name, c := range map[string]struct {
		fails func(*rapid.T)
		says  string
	}{
		"a panic":     {func(*rapid.T) { panic("a mistake") }, "a mistake"},
		"a law":       {func(t *rapid.T) { t.Fatal("a breach") }, "a breach"},
		"a complaint": {func(t *rapid.T) { t.Error("a remark") }, "failed"},
	} {
		t.Run(name, func(t *testing.T) {
			w, lives, ended := &watched{TB: t}, 0, make(chan struct{})
			go func() {
				defer close(ended)
				Each(w, 5, func(t *rapid.T) {
					lives++
					rapid.Bool().Draw(t, "anything")
					if lives == 3 {
						c.fails(t)
					}
				})
			}()
			<-ended
			if lives != 3 || !strings.Contains(w.said, "life 2") || !strings.Contains(w.said, c.says) {
				t.Errorf("after %d lives it says %q", lives, w.said)
			}
		})
	}
}

// Lives are the same each time.
func TestEachLifeIsTheSameEachTime(t *testing.T) {
	draw := func() (out []uint64) {
		Each(t, 5, func(t *rapid.T) { out = append(out, rapid.Uint64().Draw(t, "number")) })
		return out
	}
	if first, second := fmt.Sprint(draw()), fmt.Sprint(draw()); first != second {
		t.Errorf("at first it draws %s, and then %s", first, second)
	}
}
