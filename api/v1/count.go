package v1

import "strconv"

// Count returns a number and what it counts: "1 problem", "2 problems". noun is a singular whose plural ends with s.
// Whatever prints a count uses it.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
