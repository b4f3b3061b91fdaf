package engine

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestNodesRaw(t *testing.T) {
	var answer string
	c, got := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	for _, n := range []int{0, 1, 3, 300} {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf(`{"ID":"id%d","Version":{"Index":%d},"Spec":{"Role":"worker","Labels":{"zone":"a"},"Taint%d":1},"Description":{"Hostname":"h%d","New":1},"Later":true}`, i, i+7, i, i))
		}
		answer = "[" + strings.Join(list, ",") + "]\n"
		all, err := c.NodesRaw(context.Background())
		if err != nil || len(all) != n {
			t.Fatalf("%d nodes of %d, %v", len(all), n, err)
		}
		for i, node := range all {
			if node.ID != fmt.Sprintf("id%d", i) || node.Description.Hostname != fmt.Sprintf("h%d", i) || node.Version.Index != uint64(i+7) || node.Spec.Labels["zone"] != "a" {
				t.Fatalf("node %d is %+v", i, node)
			}
			if !slices.Equal(node.Unknown, []string{fmt.Sprintf("Spec.Taint%d", i)}) { // only the spec is written
				t.Fatalf("of node %d is unknown: %q", i, node.Unknown)
			}
		}
	}
	calls := slices.DeleteFunc(got.seen(), func(call string) bool { return strings.Contains(call, "_ping") })
	if len(calls) != 4 || slices.ContainsFunc(calls, func(call string) bool { return !strings.HasPrefix(call, "GET /nodes ") }) {
		t.Errorf("it called %q", calls)
	}
}

func TestAListOfNodesThatCannotBeRead(t *testing.T) {
	var answer string
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	for _, bad := range []string{`{"not":"a list"}`, `[{"ID":"a"},{"ID":5}]`, `[{"ID":"a","Spec":{"Labels":[]}}]`, `[{`, `[{"ID":"a"}`, `null,`, ``} {
		answer = bad
		if all, err := c.NodesRaw(context.Background()); err == nil || !strings.Contains(err.Error(), "decoding") {
			t.Errorf("%q: %+v, %v", bad, all, err)
		}
	}
	answer = `[{"ID":"a"},{"ID":5}]`
	if _, err := c.NodesRaw(context.Background()); err == nil || !strings.Contains(err.Error(), "node 1 of the list") {
		t.Errorf("it does not say which: %v", err)
	}
}

// A single read and a list give the same result.
func TestANodeIsReadAsItIsListed(t *testing.T) {
	const node = `{"ID":"def","Version":{"Index":3},"Spec":{"Role":"manager","Availability":"drain","Taints":["x"]},"ManagerStatus":{"Leader":true,"Reachability":"reachable"}}`
	c, _ := opened(t, pinged("1.41", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/nodes") {
			_, _ = io.WriteString(w, "["+node+"]")
			return
		}
		_, _ = io.WriteString(w, node)
	}))
	all, err := c.NodesRaw(context.Background())
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	one, unknown, err := c.NodeRaw(context.Background(), "def")
	if err != nil || !slices.Equal(unknown, all[0].Unknown) || fmt.Sprintf("%+v", one.Spec) != fmt.Sprintf("%+v", all[0].Spec) || *one.ManagerStatus != *all[0].ManagerStatus {
		t.Errorf("%+v, %q, %v; listed it is %+v", one, unknown, err, all[0])
	}
}
