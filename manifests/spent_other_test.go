//go:build !unix

package manifests_test

import (
	"testing"
	"time"
)

var began = time.Now()

// processor returns how long this process has run, for want of something better.
func processor(testing.TB) time.Duration { return time.Since(began) }
