// Package image holds tests of the container image that make image writes: that it is the same wherever it is built, that
// it is what the Dockerfile says, and that it does the operator's job on real engines in the ways that deploy/ offers.
package image
