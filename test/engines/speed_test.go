//go:build engines

package engines

import ("testing")

func TestSpeed(t *testing.T) {
	for range 3 {
		for _, o := range []Options{{Managers: 1}, {Managers: 1, Workers: 1}, {Managers: 3, Workers: 2}} {
			t.Run("x", func(t *testing.T) { w := newWorld(t, o); t.Log(memory(w.run)>>20, "MB") })
		}
	}
}
