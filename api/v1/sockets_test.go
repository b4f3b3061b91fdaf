package v1_test

import (
	"testing"

	v1 "github.com/swarm-operator/swarm-operator/api/v1"
)

// What is neither ssh, tcp nor a socket in an allowed place is no engine. The docker CLI's reader takes "" and white space
// before a scheme for sockets.
func TestWhichEnginesAnOperatorMayUse(t *testing.T) {
	allowed := []string{"/run/engines/*"}
	for host, want := range map[string]bool{
		"ssh://ops@10.0.0.7": true, "tcp://10.0.0.8:2376": true, "unix:///run/engines/a.sock": true,
		"unix:///run/docker.sock": false, "unix:///run/engines/../docker.sock": false, "unix://run/engines/a.sock": false, "unix:/run/engines/a.sock": false,
		" unix:///run/engines/a.sock": false, "\tunix:///x": false, "": false, " ": false, "UNIX:///run/engines/a.sock": false, "fd://x": false, "npipe:////./pipe/x": false, "http://x": false,
	} {
		if got := (&v1.EngineEndpoint{Host: host}).MayUse(allowed); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}
