package manifests_test

import (
	"fmt"
	"strings"
	"testing"
)

const noted = `apiVersion: swarm-operator.io/v1
kind: Service
metadata: {name: %s}
spec:
  image: x
  ports: [{target: 80, published: %d, mode: host}]
  updateConfig: {parallelism: 1,
    order: start-first}
`

func TestNoticesHaveAPlace(t *testing.T) {
	set, problems := load("b.yaml", fmt.Sprintf(noted, "b", 80), "a.yaml", "# first\n---\n"+fmt.Sprintf(noted, "a", 81)+"---\n"+fmt.Sprintf(noted, "broken", 70000))
	if len(problems) != 1 {
		t.Errorf("problems: %v", problems)
	}
	var got []string
	for _, n := range set.Notices {
		head, _, _ := strings.Cut(n.String(), " begins")
		got = append(got, head)
	}
	want := "a.yaml:10: Service/a: spec.updateConfig.order: start-first\nb.yaml:8: Service/b: spec.updateConfig.order: start-first"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

func TestNoticesAreBounded(t *testing.T) {
	var text strings.Builder
	for i := range 500 {
		fmt.Fprintf(&text, "---\n"+noted, fmt.Sprint("s", i), i+1)
	}
	if set, problems := load("a.yaml", text.String()); len(problems) > 0 || len(set.Notices) != 100 {
		t.Errorf("%d notices, %v", len(set.Notices), problems)
	}
}
