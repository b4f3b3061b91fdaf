package v1

import "strconv"

// Count returns a number and the noun that it counts: "1 problem", "2 problems". The plural of noun must end with s.
// All code that prints a count uses it.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
