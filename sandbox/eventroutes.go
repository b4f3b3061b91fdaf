package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/v2/daemon/server/httputils"
)

// eventFilter returns a function that reports whether a listener wants an event.
func eventFilter(f filterArgs) func(events.Message) bool {
	args := f.Filters
	named := func(m events.Message, key events.Type) bool {
		return args.FuzzyMatch(string(key), m.Actor.ID) || args.FuzzyMatch(string(key), m.Actor.Attributes["name"])
	}
	return func(m events.Message) bool {
		for _, key := range []events.Type{
			events.DaemonEventType, events.ContainerEventType, events.PluginEventType, events.VolumeEventType,
			events.NetworkEventType, events.NodeEventType, events.ServiceEventType, events.SecretEventType, events.ConfigEventType,
		} {
			if !named(m, key) {
				return false
			}
		}
		return args.ExactMatch("event", string(m.Action)) &&
			args.ExactMatch("type", string(m.Type)) &&
			args.ExactMatch("scope", m.Scope) &&
			args.ExactMatch("image", m.Actor.Attributes["image"]) &&
			args.MatchKVList("label", m.Actor.Attributes)
	}
}

func (e *engine) getEvents(ctx context.Context, w http.ResponseWriter, r *http.Request, _ map[string]string) error {
	since, err := parseTimestamp(r.FormValue("since"))
	if err != nil {
		return invalid(fmt.Sprintf("invalid value for 'since': %s", err))
	}
	until, err := parseTimestamp(r.FormValue("until"))
	if err != nil {
		return invalid(fmt.Sprintf("invalid value for 'until': %s", err))
	}
	var timeout <-chan time.Time
	if !until.IsZero() {
		if until.Before(since) {
			return invalid(fmt.Sprintf("`since` time (%s) cannot be after `until` time (%s)", r.FormValue("since"), r.FormValue("until")))
		}
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timeout = t.C
	}
	f, err := parseFilters(r.FormValue("filters"))
	if err != nil {
		return err
	}
	contentType := eventContentType(ctx, r)
	past, next, stop := e.events.subscribe(since, until, eventFilter(f))
	defer stop()

	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w).Flush
	_ = flush()
	encode := httputils.NewJSONStreamEncoder(w, contentType)
	for _, past := range past {
		if encode(past) != nil {
			return nil // the client has gone
		}
	}
	_ = flush()
	for {
		select {
		case now := <-next:
			if encode(now) != nil || flush() != nil {
				return nil
			}
		case <-timeout:
			return nil
		case <-ctx.Done():
			return nil
		case <-e.alive.Done():
			return nil
		}
	}
}

func eventContentType(ctx context.Context, r *http.Request) string {
	accepted := r.Header.Get("Accept")
	for _, ct := range []string{types.MediaTypeJSONLines, types.MediaTypeNDJSON, types.MediaTypeJSONSequence} {
		if slices.ContainsFunc(strings.Split(accepted, ","), func(s string) bool {
			name, _, _ := strings.Cut(s, ";")
			return strings.TrimSpace(name) == ct
		}) {
			return ct
		}
	}
	if versionLess(httputils.VersionFromContext(ctx), "1.52") {
		return types.MediaTypeJSON
	}
	return types.MediaTypeJSONLines
}

// parseTimestamp reads "seconds" or "seconds.nanoseconds". An empty text gives the zero time.
func parseTimestamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	secs, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(secs, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid timestamp %q: invalid seconds %q", s, secs)
	}
	if frac == "" {
		return time.Unix(sec, 0).UTC(), nil
	}
	frac = (frac + "000000000")[:9]
	nsec, err := strconv.ParseUint(frac, 10, 32)
	if err != nil {
		return time.Time{}, fmt.Errorf("invalid timestamp %q: invalid nanoseconds", s)
	}
	return time.Unix(sec, int64(nsec)).UTC(), nil
}
