package sandbox

import (
	"math/rand/v2"
	"strconv"
)

var (
	adjectives = []string{"adoring", "bold", "calm", "determined", "eager", "focused", "gallant", "happy", "inspiring", "jolly", "keen", "loving", "modest", "nifty", "optimistic", "pensive", "quirky", "relaxed", "serene", "tender", "upbeat", "vibrant", "wizardly", "youthful", "zealous"}
	surnames   = []string{"albattani", "bell", "curie", "darwin", "einstein", "franklin", "galileo", "hopper", "ishizaka", "johnson", "keller", "lovelace", "mendel", "noether", "ochoa", "pike", "ride", "shannon", "turing", "villani", "wozniak", "yalow"}
)

// randomName returns a name for a service that came without one.
func randomName() string {
	return adjectives[rand.IntN(len(adjectives))] + "_" + surnames[rand.IntN(len(surnames))] + strconv.Itoa(rand.IntN(1000))
}
