package redact

import (
	"regexp"
	"strings"
)

// settings match what gives a name a value in a line of a file.
var settings = []*regexp.Regexp{
	// NAME=value, name: value or "name": "value"
	regexp.MustCompile(`^\s*(?:-\s+|export\s+)?["']?([A-Za-z_][A-Za-z0-9_.-]*)["']?\s*[=:]\s*["']?([^"'\s][^"']*?)["']?[,;]?\s*$`),
	// requirepass value, or user name password value
	regexp.MustCompile(`^\s*(?:\S+\s+){0,4}((?i:[a-z_-]*(?:passw(?:or)?d|requirepass|masterauth)))\s+["']?([^"'\s]+?)["']?;?\s*$`),
	// <name>value</name>
	regexp.MustCompile(`<([A-Za-z_][A-Za-z0-9_.-]*)>\s*([^<>\s][^<>]*)</`),
}

var (
	// noSecret matches values that a setting with the name of a secret may have and that are none: switches, variables,
	// and what begins a block.
	noSecret = regexp.MustCompile(`^(?i:true|false|yes|no|on|off|null|none|~|[|>][+-]?|[\[{].*|\$.*)$`)
	// amount matches sizes and durations, as in token_ttl: 30s. A password may be a number.
	amount = regexp.MustCompile(`^[0-9.]+(?:ms|s|m|h|d)?$`)
)

// Content reports whether a file that is about to stand in clear looks as if it held a secret: it has something of the
// shape of one, or a line that gives a value to a name as secrets have them.
func Content(text string) bool {
	if Shape(text) {
		return true
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		for _, s := range settings {
			for _, m := range s.FindAllStringSubmatch(line, -1) {
				if secretSetting(m[1], m[2]) {
					return true
				}
			}
		}
	}
	return false
}

// secretSetting reports whether a setting in a file is one of a secret, by its name and by its value.
func secretSetting(name, value string) bool {
	if noSecret.MatchString(value) || filePath.MatchString(value) {
		return false
	}
	plain := plainName(name)
	if plain == "MASTERAUTH" { // of Redis
		return true
	}
	if amount.MatchString(value) && !strings.Contains(plain, "PASS") && !strings.Contains(plain, "PWD") && !strings.Contains(plain, "SECRET") {
		return false
	}
	shown, _ := Value(name, value, true)
	return shown != value
}
