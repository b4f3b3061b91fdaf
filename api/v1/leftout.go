package v1

import "github.com/swarm-operator/swarm-operator/redact"

// LeftOut is the YAML tag of a value that an export has left out because it looks like a secret. No value can be taken
// for it, because a tag is no part of a value. A manifest that has it anywhere has a problem.
const LeftOut = "!left-out"

// SecretContent reports whether the content of a config looks as if it held a secret.
func SecretContent(data []byte) bool { return redact.Content(string(data)) }
