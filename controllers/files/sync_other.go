//go:build !unix

package files

// syncDir has nothing to do: directories cannot be opened for it.
func syncDir(string) error { return nil }
