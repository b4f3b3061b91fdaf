// Command swarm-open removes the lock (autolock) from the directory in which a manager's engine keeps its part of the
// swarm: swarm-open DIR <KEY. It reads the unlock key from its standard input. The engine must be stopped, or DIR
// must be a copy.
//
// It is for a swarm that is made again with docker swarm init --force-new-cluster. Docker cannot do that with a
// locked directory: docker swarm unlock waits for a majority that no longer exists, and init cannot ask for the key
// (https://github.com/moby/moby/issues/36852). When the swarm is up again and has autolock on, it locks the directory
// again by itself, with the same key.
package main

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/swarmkit/v2/ca"
	"github.com/moby/swarmkit/v2/ca/keyutils"
	"github.com/moby/swarmkit/v2/manager"
	"github.com/moby/swarmkit/v2/manager/encryption"
)

func main() {
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") { // others can see a key on the command line
		fmt.Fprintln(os.Stderr, "usage: swarm-open DIR <FILE\nDIR is the directory /var/lib/docker/swarm of an engine that is stopped, or a copy of it. FILE has the unlock key.")
		os.Exit(2)
	}
	if err := open(os.Args[1], os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "swarm-open:", err)
		os.Exit(1)
	}
	fmt.Printf("%s is no longer locked; if autolock is on, the swarm locks it again when it is up\n", os.Args[1])
}

// open removes the lock of dir. Its errors show nothing of the key.
func open(dir string, in io.Reader) error {
	paths := ca.NewConfigPaths(filepath.Join(dir, "certificates"))
	raw, err := os.ReadFile(paths.Node.Key)
	if err != nil {
		return fmt.Errorf("%w; is %s the swarm directory of an engine, such as /var/lib/docker/swarm?", err, dir)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return fmt.Errorf("%s is damaged: it has no private key in PEM; use a copy of the directory from before", paths.Node.Key)
	}
	if !keyutils.IsEncryptedPEMBlock(block) {
		return fmt.Errorf("%s is not locked, so nothing was done", dir)
	}
	text, err := io.ReadAll(io.LimitReader(in, 4096))
	if err != nil {
		return fmt.Errorf("reading the unlock key from the standard input: %w", err)
	}
	kek, err := encryption.ParseHumanReadableKey(strings.TrimSpace(string(text)))
	if err != nil {
		return errors.New("the standard input has no unlock key; give one line that begins with SWMKEY-1-, as in: swarm-open DIR <FILE")
	}
	key := ca.NewKeyReadWriter(paths.Node, kek, manager.RaftDEKData{})
	if _, _, err := key.Read(); err != nil {
		if errors.As(err, new(ca.ErrInvalidKEK)) {
			return fmt.Errorf("%s is locked with another key, so nothing was done; try the other keys that you have", dir)
		}
		return err
	}
	// Version 0 is older than any version in the swarm, so the swarm locks the directory again.
	return key.ViewAndRotateKEK(func(_ ca.KEKData, h ca.PEMKeyHeaders) (ca.KEKData, ca.PEMKeyHeaders, error) {
		return ca.KEKData{}, h, nil
	})
}
