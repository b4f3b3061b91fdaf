//go:build !unix

package files

// syncDir does nothing, because directories cannot be opened for it here.
func syncDir(string) error { return nil }
