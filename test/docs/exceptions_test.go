package docs

import "strings"

// exceptions are the blocks that cannot run in a test, found by their content. Their commands must still parse, and
// the files that they name must exist.
var exceptions = []struct{ page, has, why string }{
	{"docs/getting-started.md", "git clone https://github.com", "needs a network; the gate builds"},
	{"docs/backup.md", "systemctl", "stops engines and puts a disk back; test/e2e does it on real engines (restore_test.go)"},
	{"docs/deploy.md", "skopeo", "pushes an image to a registry; test/image makes and runs the image"},
	{"docs/backup.md", "docker node rm --force manager-2", "comes after the one before"},
	{"docs/deploy.md", "swarm-operator unlock", "keeps its keys where root alone may write; test/e2e locks and unlocks managers (unlock_test.go)"},
	{"docs/reference/commands.md", "", "the text of the help, which is generated and held against the code"},
	{"docs/reference/manifests.md", "name: tls-cert", "belongs to others, so nothing is planned; test/reference loads it"},
	{"docs/reference/manifests.md", "name: shop,", "names networks and content of others; test/reference loads it beside them"},
	{"docs/reference/manifests.md", "name: db-data,", "names a secret of others; test/reference loads it beside that"},
	{"docs/audit.md", "\"event\":\"write\"", "a line of an audit log; controllers/audit holds its form"},
	{"docs/audit.md", "rotate 52", "the configuration of logrotate; controllers/files rotates"},
	{"README.md", "┌", "a drawing"},
	{"CONTRIBUTING.md", "go test ./", "tests that run tests would not end; the gate runs them"},
}

// exceptional returns the index of the exception that a block belongs to, and false if it belongs to none.
func exceptional(p page, b block) (int, bool) {
	for i, e := range exceptions {
		if e.page == p.name && !b.unseen && strings.Contains(b.body, e.has) {
			return i, true
		}
	}
	return 0, false
}
