package v1

import "github.com/swarm-operator/swarm-operator/redact"

// LeftOut is the YAML tag of a value that an export has left out because it looks like a secret. No value can be taken
// for it, because a tag is no part of a value. A manifest that has it anywhere has a problem.
const LeftOut = "!left-out"

// SecretFile reports whether the content of a config of that name looks as if it held a secret.
func SecretFile(name string, data []byte) bool { return redact.File(name, string(data)) }
