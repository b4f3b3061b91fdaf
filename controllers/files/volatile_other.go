//go:build !linux

package files

// Volatile returns false: where it does not know, it lets the file be.
func Volatile(string) (bool, error) { return false, nil }
