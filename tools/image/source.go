package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// source says which commit the image is made of.
type source struct {
	revision string    // the commit; "" if there is no checkout
	time     time.Time // the time of the commit, which is the only time in the image
}

// sourceOf asks git for the commit and its time. The variables REVISION, and SOURCE_DATE_EPOCH in seconds, come before
// git's answer.
func sourceOf(root string) (source, error) {
	s := source{revision: cmp.Or(os.Getenv("REVISION"), git(root, "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"))}
	seconds := cmp.Or(os.Getenv("SOURCE_DATE_EPOCH"), git(root, "log", "-1", "--format=%ct"), "0")
	n, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return s, fmt.Errorf("reading SOURCE_DATE_EPOCH: %w", err)
	}
	s.time = time.Unix(n, 0).UTC()
	return s, nil
}

// git returns what a git command prints. It returns "" if git fails, as it does in an archive of the source, which is
// no checkout.
func git(root string, args ...string) string {
	out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
