package redact

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"testing"
)

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

// Such a file has a name that tells nothing.
func TestFilesThatAreNothingButASecret(t *testing.T) {
	for text, secret := range map[string]bool{
		"db.example.com:5432:app:web:hunter2\n":        true,
		"# of the app\r\n*:*:*:web:hunter2\r\n":        true,
		"[\\:\\:1]:5432:app:web:a\\:b\n":               true,
		"#db:5432:app:web:hunter2\n":                   false,
		"db:5432:app:web:\n":                           false,
		"www-data:x:33:33:www-data:/var/www:/bin/sh\n": false,
		"docker:x:999:web,db\n":                        false,
		"web:80:8080\n":                                false,
		"at 10:30:15:20 it rains\n":                    false,
		"8f14e45fceea167a5a36dedd4bea2543\n":           true,
		"Zk3pQ9xL2mV7tR4w":                             true,
		" q7H/2kP9+vX4nB8sT1yW6g== \r\n":               true,
		"Zk3pQ9xL2mV7tR4":                              false, // too short
		"eu-central-1a-web01":                          false,
		"registry.example.com/shop/web:1.2.3-rc.4\n":   false,
		"one word and another 1a2b3c4d5e6f7a8b":        false,
		"2026-11-30T18:00:00.000000Z":                  false,
		"correcthorsebatterystaple":                    false, // nothing tells it from a name
	} {
		if got := File("site", text); got != secret {
			t.Errorf("%q: %t", text, got)
		}
	}
}

func TestKeysInABinaryForm(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	for name, c := range map[string]struct {
		data   func() ([]byte, error)
		secret bool
	}{
		"PKCS #1":                 {func() ([]byte, error) { return x509.MarshalPKCS1PrivateKey(rsaKey), nil }, true},
		"PKCS #8":                 {func() ([]byte, error) { return x509.MarshalPKCS8PrivateKey(ecKey) }, true},
		"SEC 1":                   {func() ([]byte, error) { return x509.MarshalECPrivateKey(ecKey) }, true},
		"PKCS #12":                {func() ([]byte, error) { return asn1.Marshal(struct{ Version, Rest int }{3, 1}) }, true},
		"JKS":                     {func() ([]byte, error) { return []byte("\xfe\xed\xfe\xed\x00\x00\x00\x02"), nil }, true},
		"public key":              {func() ([]byte, error) { return x509.MarshalPKIXPublicKey(&ecKey.PublicKey) }, false},
		"PKCS #1 of a public key": {func() ([]byte, error) { return x509.MarshalPKCS1PublicKey(&rsaKey.PublicKey), nil }, false},
		"certificate": {func() ([]byte, error) {
			return x509.CreateCertificate(rand.Reader, template, template, &ecKey.PublicKey, ecKey)
		}, false},
		"request": {func() ([]byte, error) {
			return x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, ecKey)
		}, false},
		"picture": {func() ([]byte, error) { return []byte("\x89PNG\r\n\x1a\n\x00"), nil }, false},
		"cut off": {func() ([]byte, error) { return []byte("0\x82"), nil }, false},
	} {
		data, err := c.data()
		if err != nil {
			t.Fatal(name, err)
		}
		if got := File("site", string(data)); got != c.secret {
			t.Errorf("%s: %t", name, got)
		}
	}
}
