package sandbox

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/moby/moby/v2/daemon/server/swarmbackend"
)

// filterArgs holds moby's filters. Their type is internal to moby, but is accessible as a field of this one.
type filterArgs struct{ swarmbackend.NodeListOptions }

// parseFilters reads both forms that clients send: {"k":{"v":true}}, and the old {"k":["v"]}.
func parseFilters(raw string) (filterArgs, error) {
	var f filterArgs
	if raw == "" {
		return f, nil
	}
	if json.Unmarshal([]byte(raw), &f.Filters) == nil {
		return f, nil
	}
	var old map[string][]string
	if err := json.Unmarshal([]byte(raw), &old); err != nil {
		return f, invalid("invalid filter")
	}
	f = filterArgs{}
	for k, vs := range old {
		for _, v := range vs {
			f.Filters.Add(k, v)
		}
	}
	return f, nil
}

// versionLess compares "1.9" and "1.41" as versions of the API.
func versionLess(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(as), len(bs)) {
		var x, y int
		if i < len(as) {
			x, _ = strconv.Atoi(as[i])
		}
		if i < len(bs) {
			y, _ = strconv.Atoi(bs[i])
		}
		if x != y {
			return x < y
		}
	}
	return false
}
