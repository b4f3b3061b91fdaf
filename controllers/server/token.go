package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/go-logr/logr"

	"github.com/swarm-operator/swarm-operator/controllers/files"
)

const (
	// mostTokens limits the size of a file with tokens, in bytes.
	mostTokens = 64 << 10
	// leastToken is how many characters a token has at least. A shorter one could be guessed.
	leastToken = 16
)

// Tokens returns the tokens in a file: each line that is not empty is one. It fails if there is none, or if a line
// cannot be a token. The error does not quote the file.
func Tokens(path string) ([]string, error) {
	data, err := files.Read(path, mostTokens)
	if err != nil {
		return nil, err
	}
	var out []string
	for i, line := range strings.Split(string(data), "\n") {
		token := strings.TrimSpace(line)
		switch {
		case token == "":
			continue
		case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
			return nil, fmt.Errorf("line %d has a space, or a character that is not in ASCII", i+1)
		case len(token) < leastToken:
			return nil, fmt.Errorf("the token in line %d has fewer than %d characters", i+1, leastToken)
		}
		out = append(out, token)
	}
	if len(out) == 0 {
		return nil, errors.New("it has no token")
	}
	return out, nil
}

// tokenFile has the tokens that count.
type tokenFile struct {
	path string
	log  logr.Logger
	said said
}

// admit reports whether an Authorization header has a token of the file. It reads the file each time, so that a token
// counts as soon as it is there, and no longer than it is. It fails if the file cannot be read. Then no token counts.
func (t *tokenFile) admit(header string) (bool, error) {
	tokens, err := Tokens(t.path)
	if t.said.changed(err) {
		if err != nil {
			t.log.Error(err, "no request is admitted, because the tokens cannot be read", "file", t.path)
		} else {
			t.log.Info("tokens can be read again", "file", t.path)
		}
	}
	if err != nil {
		return false, err
	}
	scheme, given, _ := strings.Cut(header, " ")
	sum, admitted := sha256.Sum256([]byte(strings.TrimSpace(given))), 0
	for _, token := range tokens {
		own := sha256.Sum256([]byte(token))
		admitted |= subtle.ConstantTimeCompare(sum[:], own[:])
	}
	return admitted == 1 && strings.EqualFold(scheme, "Bearer"), nil
}

// said remembers an error, so that it is logged once and not with each request.
type said struct {
	mu   sync.Mutex
	text string
}

// changed reports whether the error differs from the last one. At first there is none.
func (s *said) changed(err error) bool {
	text := ""
	if err != nil {
		text = err.Error()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if text == s.text {
		return false
	}
	s.text = text
	return true
}
