package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// filler is an answer that ends only when nobody reads it any more.
type filler struct{ sent int64 }

func (f *filler) flood(w http.ResponseWriter, begin string) {
	part := bytes.Repeat([]byte(" "), 1<<20)
	n, err := io.WriteString(w, begin)
	for f.sent = int64(n); err == nil; f.sent += int64(n) {
		n, err = w.Write(part)
	}
}

// An answer that does not end costs its limit and no more. The error names the call and the limit.
func TestEndlessAnswersEnd(t *testing.T) {
	clean(t)
	calls := map[string]func(context.Context, *Client) error{
		"GET /services": func(ctx context.Context, c *Client) error {
			_, err := c.ServiceList(ctx)
			return err
		},
		"GET /configs": func(ctx context.Context, c *Client) error {
			_, err := c.ConfigList(ctx, client.ConfigListOptions{})
			return err
		},
		"GET /secrets": func(ctx context.Context, c *Client) error {
			_, err := c.SecretList(ctx, client.SecretListOptions{})
			return err
		},
		"GET /tasks": func(ctx context.Context, c *Client) error {
			_, err := c.TaskList(ctx, client.TaskListOptions{})
			return err
		},
		"GET /info": func(ctx context.Context, c *Client) error { _, err := c.Describe(ctx); return err },
		"GET /swarm": func(ctx context.Context, c *Client) error {
			_, err := c.SwarmInspect(ctx, client.SwarmInspectOptions{})
			return err
		},
		"GET /swarm/unlockkey": func(ctx context.Context, c *Client) error {
			_, err := c.SwarmGetUnlockKey(ctx)
			return err
		},
		"GET /configs/{id}": func(ctx context.Context, c *Client) error {
			_, err := c.ConfigInspect(ctx, "x", client.ConfigInspectOptions{})
			return err
		},
		"POST /configs/create": func(ctx context.Context, c *Client) error {
			_, err := c.ConfigCreate(ctx, client.ConfigCreateOptions{})
			return err
		},
	}
	small := limits{listed: 4 << 20, answered: 2 << 20}
	for name, call := range calls {
		method, route, _ := strings.Cut(name, " ")
		begins := []string{"", `[{"ID":"`, `{"ID":"`}
		for _, begin := range begins {
			t.Run(name+" "+begin, func(t *testing.T) {
				var sent filler
				path := socketPath(t)
				ended := make(chan struct{})
				listen(t, path, pinged("1.52", func(w http.ResponseWriter, _ *http.Request) {
					defer close(ended)
					w.Header().Set("Content-Type", "application/json")
					sent.flood(w, begin)
				}))
				c, err := Open(Options{Host: "unix://" + path, limits: small})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				limit := fmt.Sprintf("%d MiB", small.of(method, route)>>20)
				if err := call(t.Context(), c); err == nil || !strings.Contains(err.Error(), "calling "+name+": ") || !strings.Contains(err.Error(), "longer than "+limit) {
					t.Errorf("it says %v", err)
				}
				c.Close()
				<-ended
				if sent.sent > small.listed+64<<20 {
					t.Errorf("%d bytes were taken", sent.sent)
				}
			})
		}
	}
}

func TestWhichAnswersMayBeLong(t *testing.T) {
	for call, want := range map[string]int64{
		"GET /services": mostListed, "GET /tasks": mostListed, "GET /nodes": mostListed, "GET /networks": mostListed, "GET /configs": mostListed, "GET /secrets": mostListed,
		"GET /services/{id}": mostAnswered, "GET /info": mostAnswered, "GET /_ping": mostAnswered, "HEAD /_ping": mostAnswered, "POST /services/create": mostAnswered,
		"GET /distribution/{id}/json": mostAnswered, "GET /{other}": mostAnswered, "DELETE /configs": mostAnswered,
	} {
		if method, route, _ := strings.Cut(call, " "); (limits{}).of(method, route) != want {
			t.Errorf("%s: %d", call, limits{}.of(method, route))
		}
	}
}

// A large swarm is no endless answer: 4,000 services of 5 KB each, which is more than any other answer may have. The race
// detector reads it slowly, so the call has all the time that it needs.
func TestALongListIsRead(t *testing.T) {
	clean(t)
	one := fmt.Sprintf(`{"ID":"x","Spec":{"Name":"web","Labels":{"text":%q}}}`, strings.Repeat("x", 5000))
	list := "[" + strings.Repeat(one+",", 3999) + one + "]"
	path := socketPath(t)
	listen(t, path, pinged("1.52", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, list) }))
	c, err := Open(Options{Host: "unix://" + path, CallTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	services, err := c.ServiceList(t.Context())
	if err != nil || len(services) != 4000 {
		t.Errorf("%d services, %v", len(services), err)
	}
}

// One event may not be endless, but there may be any number of them.
func TestAnEndlessEventEndsTheStream(t *testing.T) {
	event := `{"Type":"service","Action":"update","Actor":{"ID":"x","Attributes":{"name":"` + strings.Repeat("w", 1000) + `"}}}` + "\n"
	many := strings.Repeat(event, 3*mostEvent/len(event))
	for _, c := range []struct {
		name, from string
		events     int
		long       bool
	}{{"many", many, strings.Count(many, "\n"), false}, {"one", event + `{"Type":"` + strings.Repeat("x", 2*mostEvent), 1, true}} {
		part := &limited{from: strings.NewReader(c.from), what: "an event", most: mostEvent}
		dec, n := json.NewDecoder(part), 0
		var err error
		for ; err == nil; n++ {
			part.read = 0
			err = dec.Decode(new(map[string]any))
		}
		if n-1 != c.events || strings.Contains(err.Error(), "an event is longer than 1 MiB") != c.long {
			t.Errorf("%s: %d events, then %v", c.name, n-1, err)
		}
	}
}
