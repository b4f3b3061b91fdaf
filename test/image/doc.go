// Package image tests the container image that make image writes. The image must be the same wherever it is built,
// and must be what the Dockerfile says. On real engines it must do the operator's job in each way that deploy/
// offers.
package image
