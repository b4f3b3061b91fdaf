package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// play leaves the stage to a person until ctx ends.
func play(ctx context.Context, s *stage) error {
	if err := s.operate(ctx, 10*time.Second); err != nil {
		return err
	}
	fmt.Fprint(s.out, s.guide())
	s.operator.log.follow(func(line string) {
		if text := short(line); text != "" {
			fmt.Fprintln(s.out, text)
		}
	})
	go s.commitOnEnter(os.Stdin)
	select {
	case <-ctx.Done():
		fmt.Fprintln(s.out, "\nstopping; the swarm and the repository are removed")
		return nil
	case <-s.operator.done:
		return fmt.Errorf("%w\n%s", s.operator.ended(), s.operatorLog())
	case <-s.sandbox.done:
		return s.sandbox.ended()
	}
}

// commitOnEnter commits for a person who has no git at hand.
func (s *stage) commitOnEnter(in io.Reader) {
	for enter := bufio.NewScanner(in); enter.Scan(); {
		message := cmp.Or(strings.TrimSpace(enter.Text()), "Edit by hand")
		if hash, err := s.repository.commit(message); err != nil {
			fmt.Fprintln(s.out, err)
		} else {
			fmt.Fprintf(s.out, "committed %.10s %q\n", hash.String(), message)
		}
	}
}

// guide says where everything is and what to try.
func (s *stage) guide() string {
	sandbox, _ := filepath.Abs(filepath.Join(s.bin, "swarm-sandbox"))
	operator, _ := filepath.Abs(filepath.Join(s.bin, "swarm-operator"))
	text := `
It is up, and the operator makes it follow this git repository:

  REPO

Look at it from a second terminal:

  export DOCKER_HOST=HOST
  docker node ls
  docker service ls
  docker service ps web
  docker events
  OPERATOR status --operator ADDRESS     objects, roll-outs, drift, and what waits for a person; -w follows
  curl http://ADDRESS/api/v1/drift       what differs, whose doing it is, what was done
  curl http://ADDRESS/metrics

Try:

  cd REPO
  sed -i s/nginx:1.27/nginx:1.28/ web.yaml && git commit -am 'Use nginx 1.28'     it is rolled out
  docker service scale -d web=5                                                   it is reported, and repaired after 10 s
  sed -i s/nginx:1.28/crash:1/ web.yaml && git commit -am 'Break it'              it rolls back, and is not tried again
  sed -i s/replicas/replica/ web.yaml && git commit -am 'Misspell it'             it is refused, with its reasons
  git rm -q metrics.yaml && git commit -m 'Drop the metrics'                      the service is removed, once the mistakes are undone
  OPERATOR diff --worktree                                                        what would change by the files as they are
  SANDBOX images                                                                  images that crash, are never healthy, end …
  SANDBOX ctl --help                                                              kill and add machines, make the API slow or fail

Here follows what the operator logs. Enter commits what was edited, for who has no git; ^C ends it all and removes
the swarm and the repository.

`
	if _, err := exec.LookPath("docker"); err != nil {
		text = strings.Replace(text, "\n\nTry:", "\n\nThere is no docker CLI on this machine; without it, ask the API:\n\n  curl --unix-socket "+
			strings.TrimPrefix(s.host, "unix://")+" http://swarm/services\n\nTry:", 1)
	}
	return strings.NewReplacer("REPO", s.repository.dir, "HOST=HOST", "HOST="+s.host, "ADDRESS", s.address, "OPERATOR", operator, "SANDBOX", sandbox).Replace(text)
}

// short turns a line of the operator's log into one that a person can read in passing. It returns "" if the line has
// no news.
func short(line string) string {
	var e map[string]any
	if json.Unmarshal([]byte(line), &e) != nil {
		return line
	}
	text := func(key string) string {
		if v, ok := e[key]; ok && v != "" {
			return fmt.Sprint(v)
		}
		return ""
	}
	at, _ := time.Parse(time.RFC3339Nano, text("time"))
	say := func(parts ...string) string {
		return strings.Join(strings.Fields(at.Local().Format("15:04:05.000")+" "+strings.Join(parts, " ")), " ")
	}
	switch text("msg") {
	case "listening", "running":
		return ""
	case "step done":
		return say(text("operation"), text("object")+":", text("cause"))
	case "drift detected":
		return say("drift", text("object")+":", text("fields"), "changed by hand")
	case "step refused":
		return say("held", text("object")+":", text("why"))
	case "condition changed":
		return say(text("type")+"="+text("status"), text("message"))
	}
	if level := text("level"); level != "INFO" {
		return say(level, text("msg"), text("object"), text("error"))
	}
	return say(text("msg"), text("object"), text("why"), text("error"))
}
