//go:build !unix

package engine

import "fmt"

func permissionHelp(host string) string { return fmt.Sprintf("permission denied on %s", host) }
