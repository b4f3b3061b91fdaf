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

		"password: \"hunter2\" # prod\n":                           true,
		"password: hunter2  # prod\n":                              true,
		"password: hunter2 // prod\n":                              true,
		"password: \"it's\"\n":                                     true,
		"password: 'it''s'\n":                                      true,
		"password: 'it\\'s';\n":                                    true,
		"password: |\n  hunter2\n":                                 true,
		"password: >-\n  hunter2\n":                                true,
		"password: $3cret!\n":                                      true,
		"password: $ecret!\n":                                      true,
		"password: ${DB_PASSWORD:-hunter2}\n":                      true,
		"password: ${db.password:hunter2}\n":                       true,
		"db: {user: app, password: hunter2}\n":                     true,
		"db: {user: app, password: \"a, b\", port: 1}\n":           true,
		"db: {creds: {password: hunter2}}\n":                       true,
		"db:\n  {user: app,\n   password: hunter2}\n":              true,
		"{\"user\": \"app\", \"db_pwd\": \"x\"}":                   true,
		"$db = ['user' => 'app', 'password' => 'hunter2'];\n":      true,
		"password := \"hunter2\"\n":                                true,
		"  'password' => 'hunter2',\n":                             true,
		"define( 'DB_PASSWORD', 'hunter2' );\n":                    true,
		"- name: DB_PASSWORD\n  value: hunter2\n":                  true,
		"- name: \"DB_PASSWORD\" # of the app\n  value: hunter2\n": true,
		"- name: DB_PASSWORD\n  value: |\n    hunter2\n":           true,
		"[{\"name\": \"DB_PASSWORD\",\n  \"value\": \"x\"}]":       true,
		"<add key=\"DbPassword\" value=\"hunter2\"/>":              true,
		"<Entry Key='DbPassword' Value='hunter2' />":               true,
		"<property name=\"password\">hunter2</property>":           true,
		"<name>db.password</name>\n  <value>hunter2</value>":       true,
		"<password type=\"plain\">\n  hunter2\n</password>":        true,
		"requirepass hunter2 # of the cache\n":                     true,

		"password: \"\" # none\n":                                     false,
		"password: '' // none\n":                                      false,
		"use_tokens: true # for all\n":                                false,
		"token: ${TOKEN} # from the environment\n":                    false,
		"token: \"$TOKEN\"\n":                                         false,
		"token: $$TOKEN\n":                                            false,
		"token: $USER:$TOKEN\n":                                       false,
		"token: ${TOKEN:?must be set}\n":                              false,
		"token: ${TOKEN:-}\n":                                         false,
		"token: ${TOKEN:-${OTHER}}\n":                                 false,
		"token: ${file:/run/secrets/token}\n":                         false,
		"password: $__file{/run/secrets/db}\n":                        false,
		"export TOKEN=\"$(cat /run/secrets/token)\"\n":                false,
		"TOKEN=$1\n":                                                  false,
		"key_buffer_size = 16M\n":                                     false,
		"db: {user: app, password_file: /run/secrets/db}\n":           false,
		"db: {user: app, password: $DB_PASSWORD, port: 1}\n":          false,
		"log_format main '{\"token\":\"$http_x\",\"at\":\"$time\"}';": false,
		"- name: MODE\n  value: eco\n":                                false,
		"- name: DB_PASSWORD\n  valueFrom: {ref: db}\n":               false,
		"- name: DB_PASSWORD\n  value: $DB_PASSWORD\n":                false,
		"- name: DB_PASSWORD\n- name: MODE\n  value: eco\n":           false,
		"<add key=\"Mode\" value=\"eco\"/>":                           false,
		"<name>mode</name><value>eco</value>":                         false,
		"<passwords>\n  <a/>\n</passwords>":                           false,
		"xPWDy==\n":                                                   false,
		"say(\"hello\", 'world')\n":                                   false,
		"title: it's \"quoted\", and more: of it # here\n":            false,
	} {
		if got := Content(text); got != secret {
			t.Errorf("%q: %t", text, got)
		}
	}
}

// A file that is nothing but a secret has no line that gives it a name. Its own name tells.
func TestFilesWhoseNamesSayThatTheyAreSecrets(t *testing.T) {
	for _, c := range []struct {
		name, text string
		secret     bool
	}{
		{"mysql_root_password", "hunter2\n", true},
		{"mysql_root_password", "hunter2", true},
		{"mysql_root_password", "\n hunter2\r\n\n", true},
		{"mysql_root_password", "", false},
		{"mysql_root_password", "\n", false},
		{"server.key", "0\x82\x01\xff\n\xfe", true},
		{"password-policy", "length: 12\ndigits: yes\n", false},
		{"password-policy", "length: 12\npassword: hunter2\n", true},
		{"site", "hunter2\n", false},
		{"site", "\xff\xfe", false},
		{"site", "password: hunter2\n", true},
		{"keycloak", "one line", false},
	} {
		if got := File(c.name, c.text); got != c.secret {
			t.Errorf("%s with %q: %t", c.name, c.text, got)
		}
	}
}
