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

// source is what the image says of where it comes from.
type source struct {
	revision string    // the commit; "" where there is no checkout
	time     time.Time // of the commit: the only time in the image
}

// sourceOf asks git, except for what the environment states: REVISION, and SOURCE_DATE_EPOCH in seconds.
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

// git is what git says, or "" where it cannot: an archive of the source is no checkout.
func git(root string, args ...string) string {
	out, err := exec.Command("git", append([]string{"-C", root}, args...)...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
