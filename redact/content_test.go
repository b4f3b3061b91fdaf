package redact

import "testing"

func TestContentThatLooksAsIfItHeldASecret(t *testing.T) {
	for text, secret := range map[string]bool{
		"":                                  false,
		"server { listen 80; }\n":           false,
		"log_level: info\nport: 80":         false,
		"password: hunter2\n":               true,
		"a: 1\r\ndb_password: x\r\n":        true,
		"  - api_key = \"abc\"\n":           true,
		"export TOKEN=abc\n":                true,
		"'client_secret': 'abc',":           true,
		"token: $TOKEN\n":                   false,
		"token: {{ env \"TOKEN\" }}":        false,
		"token_ttl: 30s\n":                  false,
		"password: 123456\n":                true,
		"private_key_size: 4096\n":          false,
		"use_tokens: true\n":                false,
		"password_file: /run/secrets/db\n":  false,
		"ssl_key: /etc/ssl/private/x.key\n": false,
		"credentials:\n  - name: a\n":       false,
		"secrets: [a, b]\n":                 false,
		"port 6379\nrequirepass hunter2\n":  true,
		"masterauth \"hunter2\"\n":          true,
		"  user admin password x1;\n":       true,
		"user a insecure-password hunter2":  true,
		"password $PASSWORD\n":              false,
		"password /run/secrets/db\n":        false,
		"password required pam_unix.so\n":   false,
		"enter a password in this form\n":   false,
		"<a><dbPassword>x</dbPassword></a>": true,
		"<password></password><port>1<":     false,
		"<password>${DB}</password>":        false,
		"<user>hunter</user>":               false,
		"{\"a\":1,\"dbPassword\":\"x\"}":    true,
		"keyspace: a\n":                     false,
		"url: postgres://u:hunter2@db/x\n":  true,
		"-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n":             true,
		"-----BEGIN CERTIFICATE-----\nMIIE\n-----END CERTIFICATE-----\n":             false,
		"users:\n  admin: $2y$05$abcdefghijklmnopqrstuv\n":                           true,
		"a sentence about a password: it says nothing\nand a key without a value:\n": false,
	} {
		if got := Content(text); got != secret {
			t.Errorf("%q: %t", text, got)
		}
	}
}
