package redact

import (
	"bytes"
	"encoding/json"
)

// JSON returns a document in JSON whose strings text has changed. key is the name of the field that the string is in.
// Names of fields stay. data must be valid.
func JSON(data []byte, text func(key, s string) string) []byte {
	var out bytes.Buffer
	key := ""
	for i := 0; i < len(data); {
		if data[i] != '"' {
			out.WriteByte(data[i])
			i++
			continue
		}
		end := i + 1
		for end < len(data) && data[end] != '"' {
			if data[end] == '\\' {
				end++
			}
			end++
		}
		end = min(end+1, len(data))
		raw := data[i:end]
		i = end
		var s string
		if json.Unmarshal(raw, &s) != nil {
			out.Write(raw)
			continue
		}
		if rest := bytes.TrimLeft(data[end:], " \n\t\r"); len(rest) > 0 && rest[0] == ':' {
			key = s
			out.Write(raw)
			continue
		}
		if now := text(key, s); now != s {
			var b bytes.Buffer
			e := json.NewEncoder(&b)
			e.SetEscapeHTML(false)
			_ = e.Encode(now) // a string can always be encoded
			raw = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
		}
		out.Write(raw)
	}
	return out.Bytes()
}

// names are the fields of the operator's documents and logs that hold names, times and words of its own. They hold
// nothing that others wrote, and scripts go by them.
var names = func() map[string]bool {
	out := map[string]bool{}
	for _, f := range []string{
		"object", "kind", "name", "instance", "source", "location", "revision", "inForce", "hash", "sequence", "operation", "operator", "guard", "class",
		"hazard", "hazards", "effect", "by", "sync", "health", "state", "status", "type", "mode", "holder", "epoch", "file", "path", "target", "outcome",
		"since", "at", "when", "began", "until", "doneAt", "renewed", "time", "level", "version", "go", "os", "arch", "apiVersion", "done",
		"engine", "address", "node", "nameFrom", "after", "objects", "fields",
	} {
		out[f] = true
	}
	return out
}()

// Field returns a string of a document or a log for a reader. key is the name of its field.
func (k *Known) Field(key, s string, reader Reader) string {
	if names[key] {
		return Text(s)
	}
	return k.Text(s, reader)
}
