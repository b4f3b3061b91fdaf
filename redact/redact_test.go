package redact

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// jwt, hash and the others are made of parts, so that no scanner takes them for real.
const (
	jwt   = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"
	hash  = "$2y" + "$05$Kp1Z7Ylfa8sQmR0uVnBt4uPq9oTqkW"
	pem   = "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA " + "PRIVATE KEY-----"
	slack = "https://hooks." + "slack.com/services/T0001/B0001/x1y2z3"
)

func TestNamesOfSecrets(t *testing.T) {
	for name, want := range map[string]bool{
		"PASSWORD": true, "DB_PASS": true, "MYSQL_PWD": true, "API_TOKEN": true, "aws-secret-access-key": true, "--requirepass": true, "splunk-token": true,
		"STRIPE_KEY": true, "CREDENTIALS": true, "SESSION_COOKIE": true, "JWT": true, "SLACK_WEBHOOK": true, "--private-file": true, "PASSPHRASE": true,
		"SALT": true, "AZURE_CONNECTION_STRING": true, "apiKey": true,
		"LOG_LEVEL": false, "TZ": false, "KEYCLOAK_URL": false, "CASSANDRA_KEYSPACE": false, "BYPASS_CACHE": false, "FTP_PASSIVE_PORTS": false, "DATABASE_DSN": false,
		"MAX_TOKENS": false, "KEYBOARD": false, "AUTH_ENABLED": false, "URL": false, "": false, "--log-level": false, "MONKEYS": false,
	} {
		if got := SecretName(name); got != want {
			t.Errorf("SecretName(%q) is %v", name, got)
		}
	}
}

func TestShapesOfSecrets(t *testing.T) {
	for text, want := range map[string]string{
		"postgres://ada:hunter2@db/x":                    "postgres://(hidden)@db/x",
		"redis://:hunter2@h":                             "redis://(hidden)@h",
		"amqp://a:one@h,amqp://b:two@i":                  "amqp://(hidden)@h,amqp://(hidden)@i",
		"https://0123token@sentry.example.com/1":         "https://(hidden)@sentry.example.com/1",
		"host=db user=app password=hunter2 dbname=x":     "host=db user=app password=(hidden) dbname=x",
		`{"password": "hunter2", "user": "ada"}`:         `{"password": "(hidden)", "user": "ada"}`,
		"Server=db;Pwd=hunter2;Database=x":               "Server=db;Pwd=(hidden);Database=x",
		"AccountName=x;AccountKey=aGk=;End":              "AccountName=x;AccountKey=(hidden);End",
		"https://b.example.com/c?sv=1&sig=abcdef":        "https://b.example.com/c?sv=1&sig=(hidden)",
		"Authorization: Bearer abcdef123":                "Authorization: Bearer (hidden)",
		"bearer is no token: " + jwt:                     "bearer is no token: (hidden)",
		"admin:" + hash:                                  "admin:(hidden)",
		"admin:" + strings.ReplaceAll(hash, "$", "$$"):   "admin:(hidden)",
		"{SSHA}" + "0123456789abcdef":                    "(hidden)",
		"before " + pem + " after":                       "before (hidden) after",
		strings.ReplaceAll(pem, "\n", `\n`):              "(hidden)",
		slack:                                            "https://hooks.slack.com/services/(hidden)",
		"https://discord.com/api/webhooks/1/abc":         "https://discord.com/api/webhooks/(hidden)",
		"https://api.telegram.org/bot1:abc/sendMessage":  "https://api.telegram.org/bot(hidden)/sendMessage",
		"ghp_" + "0123456789abcdefghij":                  "(hidden)",
		"use glpat-" + "0123456789abcdefghij now":        "use (hidden) now",
		"xoxb-" + "0123456789":                           "(hidden)",
		"AKIA" + "0123456789ABCDEF":                      "(hidden)",
		"sk_live_" + "0123456789":                        "(hidden)",
		"SWMKEY-1-abc+/x; SWMTKN-1-abc-def":              "SWMKEY-(hidden); SWMTKN-(hidden)",
		"-Dx.password=hunter2 -Xmx1g":                    "-Dx.password=(hidden) -Xmx1g",
		"password=hunter2,token=t0ken12":                 "password=(hidden),token=(hidden)",
		"AGE-SECRET-KEY-1" + "QQQQ":                      "(hidden)",
		"client_secret='abcdef'":                         "client_secret='(hidden)'",
		"postgres://ada:p:q@db and http://x:y@z":         "postgres://(hidden)@db and http://(hidden)@z",
		"password=${DB_PASSWORD}":                        "",
		"password=$PASS":                                 "",
		"password=/run/secrets/db":                       "",
		"password: is missing":                           "",
		"the secret: nobody knows":                       "",
		"postgres://app@db:5432/x?sslmode=disable":       "",
		"ssh://git@github.com/x/y":                       "",
		"git@github.com:x/y":                             "",
		"http://localhost:8080/health":                   "",
		"Host(`a.example.com`) && PathPrefix(`/b`)":      "",
		"registry.example.com:5000/team/app:1.2":         "",
		"app@sha256:" + strings.Repeat("0a", 32):         "",
		"--token-ttl=5m --password-file=/run/secrets/db": "",
		"Europe/Berlin":                                  "",
		"$PATH:/usr/local/bin":                           "",
		"-----BEGIN CERTIFICATE-----\nabc":               "",
		"a basic rule":                                   "",
	} {
		if want == "" {
			want = text
		}
		if got := Text(text); got != want {
			t.Errorf("Text(%q) is\n%q, want\n%q", text, got, want)
		}
		if Shape(text) != (want != text) {
			t.Errorf("Shape(%q) is %v", text, Shape(text))
		}
	}
}

func TestWhatLooksRandom(t *testing.T) {
	for text, want := range map[string]bool{
		"9f86d081884c7d659a2feaa0c55ad015":                   true,
		"dGhpcyBpcyBub3QgYSBzZWNyZXQ0Mg":                     true,
		"Zq8vRt2LpXw7Kc4NbYh1":                               true,
		"670671cd97404156226e507973":                         true, // few letters
		"qwkzjhfdplmvnbxcrtyg":                               true,
		"QWKZJHFDPLMVNBXCRTYG":                               true,
		"3f2b8c1e-9a7d-4c55-8e21-0d9f6a3b7c4e":               true,
		"prefix/a8Xk2mQ9zR4tY7wB1cV5":                        true,
		"http://localhost:8080/health":                       false,
		"/var/lib/postgresql/data":                           false,
		"my-service-name-2024-production-eu":                 false,
		"authentication-service-production":                  false,
		"internationalization":                               false,
		"myVeryLongVariableNameHere":                         false,
		"org.springframework.boot.autoconfigure.Application": false,
		"ip-10-0-0-1.eu-central-1.compute.internal":          false,
		"2024-01-01T12:00:00Z":                               false,
		"20240101120000000000":                               false,
		"app@sha256:" + strings.Repeat("0a", 32):             false,
		"node.labels.zone==frankfurt-one":                    false,
		"short1a2b3c":                                        false,
		"-Djava.security.egd=file:/dev/./urandom":            false,
		"max_connections=200 shared_buffers=512MB":           false,
		"TLS_AES_256_GCM_SHA384":                             false,
		"":                                                   false,
	} {
		if got := len(random(text)) > 0; got != want {
			t.Errorf("%q looks random: %v", text, got)
		}
	}
}

// By docker's convention NAME_FILE holds a path. Its value is hidden unless it is surely a path.
func TestNameFileIsShownWhereItIsAPath(t *testing.T) {
	for _, c := range []struct {
		name, value string
		secret      bool
	}{
		{"POSTGRES_PASSWORD_FILE", "/run/secrets/db-password", false},
		{"postgres_password_file", "/run/secrets/db.password", false},
		{"API_KEY_FILE", `C:\ProgramData\Docker\secrets\key`, false},
		{"POSTGRES_PASSWORD_FILE", "hunter2", true},
		{"POSTGRES_PASSWORD_FILE", "/hunter2", true},
		{"POSTGRES_PASSWORD_FILE", "/run/secrets/x y", true},
		{"POSTGRES_PASSWORD_FILE", "/b3BlbnNlc2FtZQ/+x==", true},
		{"POSTGRES_PASSWORD_FILE", "/run//secrets", true},
		{"DSN_FILE", "postgres://u:p@h/run/db", true},
		{"CONFIG_FILE", "https://u:p@h/x", true},
		{"CONFIG_FILE", "anything", false},
		{"POSTGRES_PASSWORD", "/run/secrets/db-password", true},
		{"PASSWORDFILE", "/run/secrets/db-password", true},
		{"PASSWORD_FILE_KEY", "/run/secrets/db-password", true},
		{"", "x", false},
	} {
		if got, _ := Value(c.name, c.value, true); (got == Hidden) != c.secret {
			t.Errorf("%s=%s is shown as %s", c.name, c.value, got)
		}
	}
}

// Ten ordinary changes, and more, are readable for whoever reads git.
func TestOrdinaryValuesAreShownToGitsReader(t *testing.T) {
	for _, c := range [][2]string{
		{"LOG_LEVEL", "debug"},
		{"DATABASE_URL", "postgres://app@db:5432/app?sslmode=disable"},
		{"DATABASE_DSN", "host=db dbname=app sslmode=disable"},
		{"PORT", "8080"},
		{"LISTEN", ":9090"},
		{"DATA", "/var/lib/app/data"},
		{"TZ", "Europe/Berlin"},
		{"DB_PASSWORD_FILE", "/run/secrets/db"},
		{"KEYSTORE_PATH", "/etc/app/store.jks"},
		{"traefik.http.routers.web.rule", "Host(`a.example.com`)"},
		{"app.version", "1.27.3-alpine"},
		{"org.opencontainers.image.revision", "9f86d081884c7d659a2feaa0c55ad015aabbccdd"},
		{"JAVA_OPTS", "-Xmx512m -Dlog=info"},
		{"FEATURES", "a,b,c"},
		{"image", "registry.example.com/team/app:2024-05-01"},
		{"max-size", "10m"},
		{"PASSWORD", ""},
		{"HOSTS", "mgr-1.example.com,mgr-2.example.com"},
		{"constraint", "node.labels.zone==a"},
		{"EMAIL", "ops@example.com"},
	} {
		if got, hidden := Value(c[0], c[1], true); got != c[1] || hidden != nil {
			t.Errorf("%s=%s is shown as %s, hidden %q", c[0], c[1], got, hidden)
		}
	}
}

func TestSecretValuesAreHiddenFromAll(t *testing.T) {
	for _, c := range [][2]string{
		{"PASSWORD", "x"},
		{"DB_PASSWORD_FILE", "hunter2"},
		{"URL", "redis://:hunter2@h"},
		{"DSN", "host=db password=hunter2"},
		{"X", jwt},
		{"CERT", pem},
		{"traefik.http.middlewares.a.basicauth.users", "admin:" + hash},
		{"HOOK", slack},
		{"ID", "9f86d081884c7d659a2feaa0c55ad015"},
		{"LOG_LEVEL", "token=abcdef"},
		{"traefik.http.routers.x.rule", "Header(`X`, `" + jwt + "`)"},
		{"JAVA_OPTS", "-Dx.password=hunter2"},
		{"API_KEY_PORT", "abc"},
	} {
		for _, git := range []bool{true, false} {
			if got, hidden := Value(c[0], c[1], git); got != Hidden || len(hidden) == 0 {
				t.Errorf("%s=%s is shown as %s", c[0], c[1], got)
			}
		}
	}
}

func TestAnybodySeesOnlyWhatIsListed(t *testing.T) {
	for name, want := range map[string]bool{
		"LOG_LEVEL": true, "APP_LOG_LEVEL": true, "traefik.http.routers.web.rule": true, "com.docker.stack.namespace": true, "swarm-operator.io/owner": true, "org.opencontainers.image.version": true,
		"TZ": true, "LC_ALL": true, "HTTP_PORT": true, "max-size": true, "CONFIG_FILE": true,
		"MODE": false, "traefik.http.middlewares.a.headers.customrequestheaders.X": false, "rule": false, "xtraefik.rule": false, "URL": false, "": false, "DB": false,
	} {
		if got, _ := Value(name, "some", false); (got == "some") != want {
			t.Errorf("%s=some is shown to anybody as %s", name, got)
		}
	}
}

func TestCommandsAreHiddenArgumentByArgument(t *testing.T) {
	all := func(string) bool { return true }
	for _, c := range []struct{ words, git, anybody string }{
		{"serve¦--log-level¦debug¦--port=80", "serve¦--log-level¦debug¦--port=80", "H¦--log-level¦debug¦--port=80"},
		{"serve¦--flag¦new", "serve¦--flag¦new", "H¦H¦H"},
		{"--password¦hunter2¦--x", "--password¦H¦--x", "H¦H¦H"},
		{"--password=hunter2", "--password=H", "H"},
		{"--requirepass¦hunter2¦--appendonly¦yes", "--requirepass¦H¦--appendonly¦yes", "H¦H¦H¦H"},
		{"--password-file¦/run/secrets/db", "--password-file¦/run/secrets/db", "--password-file¦/run/secrets/db"},
		{"--tls-key=/etc/tls/a.pem", "--tls-key=/etc/tls/a.pem", "H"},
		{"CMD¦curl¦-f¦http://localhost:8080/health", "CMD¦curl¦-f¦http://localhost:8080/health", "CMD¦H¦H¦H"},
		{"CMD¦curl¦-u¦ada:hunter2¦http://x", "CMD¦curl¦-u¦ada:H¦http://x", "CMD¦H¦H¦H¦H"},
		{"CMD¦redis-cli¦-a¦hunter2¦ping", "CMD¦redis-cli¦-a¦H¦ping", "CMD¦H¦H¦H¦H"},
		{"CMD¦mysqladmin¦ping¦-phunter2", "CMD¦mysqladmin¦ping¦-pH", "CMD¦H¦H¦H"},
		{"CMD-SHELL¦wget -q http://localhost/ || exit 1", "CMD-SHELL¦wget -q http://localhost/ || exit 1", "CMD-SHELL¦H"},
		{"CMD-SHELL¦redis-cli -a hunter2 ping | grep PONG", "CMD-SHELL¦redis-cli -a H ping | grep PONG", "CMD-SHELL¦H"},
		{"CMD-SHELL¦pg_isready -U app", "CMD-SHELL¦pg_isready -U app", "CMD-SHELL¦H"},
		{"CMD-SHELL¦mysql -uroot -p$MYSQL_PASSWORD -e 1", "CMD-SHELL¦mysql -uroot -p$MYSQL_PASSWORD -e 1", "CMD-SHELL¦H"},
		{"sh¦-c¦PGPASSWORD=hunter2 psql -c 'select 1'", "sh¦-c¦PGPASSWORD=H psql -c 'select 1'", "H¦H¦H"},
		{"sh¦-c¦login --token \"a b c\" now", "sh¦-c¦login --token \"H\" now", "H¦H¦H"},
		{"curl¦-H¦X-Api-Key: hunter2", "curl¦-H¦X-Api-Key: H", "H¦H¦H"},
		{"curl¦-H¦Authorization: Bearer hunter2", "curl¦-H¦Authorization: H H", "H¦H¦H"},
		{"--db¦postgres://a:hunter2@h/x", "--db¦postgres://H@h/x", "H¦H"},
		{"--id¦9f86d081884c7d659a2feaa0c55ad015", "--id¦H", "H¦H"},
		{"--password¦$DB_PASSWORD", "--password¦$DB_PASSWORD", "H¦H"},
		{"-Dx.secret=hunter2", "-Dx.secret=H", "H"},
		{"NONE", "NONE", "NONE"},
		{"nginx¦-g¦daemon off;", "nginx¦-g¦daemon off;", "H¦H¦H"},
		{"--no-password¦serve", "--no-password¦serve", "H¦H"},
		{"sshpass¦-p¦hunter2¦ssh¦x", "sshpass¦-p¦H¦ssh¦x", "H¦H¦H¦H¦H"},
		{"sshpass¦-phunter2¦ssh¦x", "sshpass¦-pH¦ssh¦x", "H¦H¦H¦H"},
		{"CMD-SHELL¦/bin/sqlcmd -S localhost -U sa -P Hunter2! -Q 'SELECT 1'", "CMD-SHELL¦/bin/sqlcmd -S localhost -U sa -P H -Q 'SELECT 1'", "CMD-SHELL¦H"},
		{"CMD-SHELL¦sqlcmd -Usa -PHunter2! -Q \"SELECT 1\" || exit 1", "CMD-SHELL¦sqlcmd -Usa -PH -Q \"SELECT 1\" || exit 1", "CMD-SHELL¦H"},
		{"CMD-SHELL¦sqlcmd -U sa -P \"$SA_PASSWORD\" -Q 1", "CMD-SHELL¦sqlcmd -U sa -P \"$SA_PASSWORD\" -Q 1", "CMD-SHELL¦H"},
		{"CMD¦mongosh¦-u¦root¦-p¦hunter2¦--eval¦db.stats()", "CMD¦mongosh¦-u¦root¦-p¦H¦--eval¦db.stats()", "CMD¦H¦H¦H¦H¦H¦H¦H"},
		{"CMD-SHELL¦mongo -u root -phunter2 --quiet", "CMD-SHELL¦mongo -u root -pH --quiet", "CMD-SHELL¦H"},
		{"CMD-SHELL¦cypher-shell -u neo4j -p hunter2 'RETURN 1'", "CMD-SHELL¦cypher-shell -u neo4j -p H 'RETURN 1'", "CMD-SHELL¦H"},
		{"CMD¦cqlsh¦-u¦cassandra¦-p¦hunter2¦-e¦describe cluster", "CMD¦cqlsh¦-u¦cassandra¦-p¦H¦-e¦describe cluster", "CMD¦H¦H¦H¦H¦H¦H¦H"},
		{"CMD-SHELL¦ldapsearch -x -D cn=admin -w hunter2 -b dc=x", "CMD-SHELL¦ldapsearch -x -D cn=admin -w H -b dc=x", "CMD-SHELL¦H"},
		{"CMD-SHELL¦ldapwhoami -H ldap://x -w 'two words'", "CMD-SHELL¦ldapwhoami -H ldap://x -w 'H'", "CMD-SHELL¦H"},
		{"mongod¦--port¦27017¦--bind_ip_all", "mongod¦--port¦27017¦--bind_ip_all", "H¦--port¦27017¦H"},
		{"sh¦-c¦mkdir -p /data/db && nc -w 5 db 80", "sh¦-c¦mkdir -p /data/db && nc -w 5 db 80", "H¦H¦H"},
		{"CMD¦mysqladmin¦-p¦ping", "CMD¦mysqladmin¦-p¦ping", "CMD¦H¦H¦H"},
	} {
		for reader, want := range map[bool]string{true: c.git, false: c.anybody} {
			var git func(string) bool
			if reader {
				git = all
			}
			list := strings.Split(c.words, "¦")
			got, _ := Words(list, git)
			if text := strings.ReplaceAll(strings.Join(got, "¦"), Hidden, "H"); text != want {
				t.Errorf("of %s, git %v, is shown\n%s, want\n%s", c.words, reader, text, want)
			}
		}
	}
}

// Of a live command, git's reader sees the arguments that stand in git.
func TestArgumentsThatGitDoesNotStateAreHidden(t *testing.T) {
	got, hidden := Words([]string{"serve", "--mode", "byhand"}, func(w string) bool { return w != "byhand" })
	if text := strings.Join(got, " "); text != "serve --mode (hidden)" || len(hidden) != 1 || hidden[0] != "byhand" {
		t.Errorf("it is %s, hidden %q", text, hidden)
	}
}

func TestOperatorsListShowsNamesAndNotShapes(t *testing.T) {
	Allow([]string{"BUILD_KEY", "acme.*"})
	defer Allow(nil)
	for _, c := range []struct{ name, text, want string }{
		{"BUILD_KEY", "9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"},
		{"build-key", "abc", "abc"},
		{"acme.team", "red", "red"},
		{"acme.token", "red", "red"},
		{"acme.url", "redis://:hunter2@h", Hidden},
		{"BUILD_KEY_2", "abc", Hidden},
		{"team", "red", Hidden},
	} {
		if got, _ := Value(c.name, c.text, false); got != c.want {
			t.Errorf("%s=%s is %s, want %s", c.name, c.text, got, c.want)
		}
	}
	for text, ok := range map[string]bool{"X": true, "acme.*": true, "*_ID": true, "": false, "*": false, "**": false, "A=b": false, "a b": false, "a\x1b": false} {
		if wrong := CheckPattern(text); (wrong == "") != ok {
			t.Errorf("the pattern %q: %s", text, wrong)
		}
	}
}

// The source's list opens what stands in git, for git's reader, and nothing else. Shapes of secrets stay hidden.
func TestSourcesListShowsGitsOwnValues(t *testing.T) {
	AllowInGit([]string{"PUBLIC_KEY", "acme.*", "--api-key"})
	defer AllowInGit(nil)
	for _, c := range []struct{ name, text, want string }{
		{"PUBLIC_KEY", "9f86d081884c7d659a2feaa0c55ad015", "9f86d081884c7d659a2feaa0c55ad015"},
		{"public-key", "abc", "abc"},
		{"acme.token", "red", "red"},
		{"acme.url", "redis://:hunter2@h", Hidden},
		{"PUBLIC_KEY_2", "abc", Hidden},
		{"PLAIN", "abc", "abc"},
		{"PLAIN", "9f86d081884c7d659a2feaa0c55ad015", Hidden},
	} {
		if got, _ := Value(c.name, c.text, true); got != c.want {
			t.Errorf("in git, %s=%s is %s, want %s", c.name, c.text, got, c.want)
		}
		if got, hidden := Value(c.name, c.text, false); got != Hidden || len(hidden) == 0 {
			t.Errorf("for anybody, %s=%s is %s", c.name, c.text, got)
		}
	}
	words := []string{"serve", "--api-key", "abc", "--api-key=def", "PUBLIC_KEY=ghi", "--password", "jkl"}
	in := func(string) bool { return true }
	if got, _ := Words(words, in); strings.Join(got, " ") != "serve --api-key abc --api-key=(hidden) PUBLIC_KEY=ghi --password (hidden)" { // api-key=… is a shape
		t.Errorf("in git it is %q", got)
	}
	for _, git := range []func(string) bool{nil, func(w string) bool { return w != "abc" && !strings.Contains(w, "=") }} {
		if got := strings.Join(first(Words(words, git)), " "); strings.Contains(got, "abc") || strings.Contains(got, "def") || strings.Contains(got, "ghi") {
			t.Errorf("what is not in git is shown: %s", got)
		}
	}
	AllowInGit(nil)
	if got, _ := Value("PUBLIC_KEY", "abc", true); got != Hidden {
		t.Errorf("after the source has changed its mind it is %s", got)
	}
}

func first[A, B any](a A, _ B) A { return a }

func TestControlCharactersBecomeVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain – text ✓": "plain – text ✓", "a\nb": `a\nb`, "a\r\nb\tc": `a\r\nb\tc`, "\x1b[31mred": `\x1b[31mred`, "a\x00\x7f": `a\x00\x7f`,
		"\u009b31m": `\x9b31m`, "a\u202eb": `a\u202eb`, "a\u2028b": `a\u2028b`, "a\u200bb": `a\u200bb`, "": "",
	} {
		if got := OneLine(text); got != want {
			t.Errorf("OneLine(%q) is %q, want %q", text, got, want)
		}
		if got := OneLine(OneLine(text)); got != want {
			t.Errorf("it is not stable: %q", got)
		}
	}
	if got := Lines("a\n\tb\x1b"); got != "a\n\tb\\x1b" {
		t.Errorf("Lines is %q", got)
	}
}

func TestKnownValuesAreReplacedForThoseWhoMayNotSeeThem(t *testing.T) {
	k := NewKnown()
	k.most = 0
	k.Learn(Owner{Name: "web"}, 1, Facts{Secret: []string{"hunter2!", "a\"b\nsecond line", "sixsix"}, Private: []string{"private value", "short", "web-api", "postgres"}, Open: []string{"postgres:16", "web-api"}})
	for _, c := range []struct {
		text, git, anybody string
	}{
		{"x hunter2! y", "x (hidden) y", "x (hidden) y"},
		{"xhunter2!hunter2!y", "x(hidden)(hidden)y", "x(hidden)(hidden)y"},
		{"of private value.", "of private value.", "of (hidden)."},
		{"short", "short", "short"},
		{"Service/web-api runs postgres:16", "Service/web-api runs postgres:16", "Service/web-api runs postgres:16"},
		{`said "a\"b\nsecond line"`, `said "(hidden)"`, `said "(hidden)"`},
		{"the second line alone", "the (hidden) alone", "the (hidden) alone"},
		{"hunter2%21", "(hidden)", "(hidden)"},
		{"hunter2", "hunter2", "hunter2"},
		{"sixsix", "(hidden)", "(hidden)"},
		{"nothing", "nothing", "nothing"},
		{"password=other", "password=(hidden)", "password=(hidden)"},
	} {
		if git, anybody := k.Text(c.text, Git), k.Text(c.text, Anybody); git != c.git || anybody != c.anybody {
			t.Errorf("%q is %q for git's reader and %q for anybody", c.text, git, anybody)
		}
	}
	if !k.Knows(Owner{Name: "web"}, 1) || k.Knows(Owner{Name: "web"}, 2) || k.Knows(Owner{Name: "db"}, 1) {
		t.Error("it does not know what it knows")
	}
	k.Learn(Owner{Name: "db"}, 1, Facts{Secret: []string{"hunter2!"}})
	k.Learn(Owner{Name: "web"}, 2, Facts{})
	if got := k.Text("hunter2! sixsix", Git); got != "(hidden) sixsix" {
		t.Errorf("after web has forgotten, it is %q", got)
	}
	k.Keep(func(o Owner) bool { return o.Name == "web" })
	if got := k.Text("hunter2!", Git); got != "hunter2!" {
		t.Errorf("after all are forgotten, it is %q", got)
	}
	if len(k.heads) > 0 || len(k.entries) > 0 || len(k.open) > 0 || len(k.git) > 0 {
		t.Errorf("%d values and %d names stay", len(k.heads), len(k.open))
	}
	k.Learn(Owner{Name: "live"}, 1, Facts{Secret: []string{"production"}})
	k.Learn(Owner{Name: "want"}, 1, Facts{Private: []string{"production"}, Git: []string{"production"}})
	if git, anybody := k.Text("production", Git), k.Text("production", Anybody); git != "production" || anybody != Hidden {
		t.Errorf("what git states in clear is %s and %s", git, anybody)
	}
	var none *Known
	none.Learn(Owner{Name: "x"}, 1, Facts{})
	none.Keep(nil)
	if got := none.Text("password=x1", Anybody); got != "password=(hidden)" || !none.Knows(Owner{Name: "x"}, 1) {
		t.Errorf("nobody's is %q", got)
	}
}

// A longer value is replaced whole, even if it begins with a shorter one.
func TestTheLongestValueIsReplaced(t *testing.T) {
	k := NewKnown()
	k.Learn(Owner{Name: "a"}, 1, Facts{Secret: []string{"hunter", "hunter-and-more"}})
	if got := k.Text("[hunter-and-more] [hunter]", Git); got != "[(hidden)] [(hidden)]" {
		t.Errorf("it is %q", got)
	}
}

// A value is hidden as long as somebody has it, however many values begin like it.
func TestAValueIsHiddenAsLongAsSomebodyHasIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := []string{"https://a", "https://b", "https://a/b", "https://c d", "https://\"e\"", "https://a/b/c", "https://f\nsecond line"}
		owners := map[string][]string{}
		k := NewKnown()
		k.most = 0
		for i := range rapid.IntRange(1, 12).Draw(t, "changes") {
			owner := rapid.SampledFrom([]string{"one", "two", "three"}).Draw(t, "owner")
			has := rapid.SliceOfN(rapid.SampledFrom(values), 0, 4).Draw(t, "values")
			owners[owner] = has
			k.Learn(Owner{Name: owner}, i, Facts{Private: has})
		}
		all := slices.Concat(owners["one"], owners["two"], owners["three"])
		for _, v := range values {
			if got, want := k.Text("["+v+"]", Anybody) == "[(hidden)]", slices.Contains(all, v); got != want {
				t.Fatalf("%q is hidden: %t; owners have %q", v, got, all)
			}
			if got := k.Text(v, Git); got != v {
				t.Fatalf("git's reader sees %q", got)
			}
		}
		k.Keep(func(Owner) bool { return false })
		if len(k.heads)+len(k.entries) > 0 {
			t.Fatalf("%d values stay", len(k.entries))
		}
	})
}

// A value that left git and the swarm stays hidden from those who could not see it, until enough others have left after it.
// What git states again in clear, and what is a name now, is shown.
func TestAValueThatLeftStaysHiddenForAWhile(t *testing.T) {
	k := NewKnown()
	hidden := func(text string) string {
		out := ""
		if k.Text(text, Git) == Hidden {
			out += "git "
		}
		if k.Text(text, Anybody) == Hidden {
			out += "anybody"
		}
		return out
	}
	k.Learn(Owner{Name: "want"}, 1, Facts{Secret: []string{"a password", "its token"}, Private: []string{"a connection", "a setting"}})
	k.Learn(Owner{Name: "have"}, 1, Facts{Secret: []string{"a password"}})
	k.Learn(Owner{Name: "want"}, 2, Facts{Private: []string{"a setting"}})
	k.Keep(func(Owner) bool { return false })
	for text, want := range map[string]string{"a password": "git anybody", "its token": "git anybody", "a connection": "anybody", "a setting": "anybody", "another": ""} {
		if got := hidden(text); got != want {
			t.Errorf("%s is hidden from %q, want %q", text, got, want)
		}
	}
	if len(k.former) != 4 {
		t.Errorf("%d values are kept: %v", len(k.former), k.former)
	}
	k.Learn(Owner{Name: "again"}, 1, Facts{Private: []string{"its token"}, Git: []string{"its token"}, Open: []string{"a setting"}})
	if got := hidden("its token") + hidden("a setting"); got != "anybody" {
		t.Errorf("what git states, and what is a name, is hidden from %q", got)
	}
	others := func(from, to int) {
		for i := from; i < to; i++ {
			k.Learn(Owner{Name: "others"}, i, Facts{Private: []string{fmt.Sprintf("other value %d", i)}})
		}
	}
	others(0, mostFormer-10)
	if got := hidden("a password"); got != "git anybody" {
		t.Errorf("before enough others have left, a value is hidden from %q", got)
	}
	others(mostFormer-10, mostFormer+1)
	k.Learn(Owner{Name: "others"}, mostFormer, Facts{Secret: []string{"the last one", "and one more", "and another"}})
	k.Learn(Owner{Name: "others"}, mostFormer+1, Facts{})
	for _, text := range []string{"a password", "a connection"} {
		if got := hidden(text); got != "" {
			t.Errorf("%s is still hidden from %q", text, got)
		}
	}
	if len(k.former) != mostFormer || hidden("the last one") != "git anybody" || hidden("its token") != "anybody" {
		t.Errorf("%d values are kept, and the last is hidden from %q", len(k.former), hidden("the last one"))
	}
	for i := range 2 + mostFormerBytes/longestFormer {
		k.Learn(Owner{Name: "long"}, i, Facts{Secret: []string{strings.Repeat(fmt.Sprint(i), longestFormer)}})
	}
	k.Learn(Owner{Name: "long"}, 3, Facts{})
	if k.bytes != mostFormerBytes || len(k.former) != mostFormerBytes/longestFormer {
		t.Errorf("%d bytes of %d values are kept", k.bytes, len(k.former))
	}
	for i := range 2 + mostFormerBytes/longestFormer {
		want := "git anybody"
		if i < 2 {
			want = ""
		}
		if got := hidden(strings.Repeat(fmt.Sprint(i), longestFormer)); got != want {
			t.Errorf("long value %d is hidden from %q, want %q", i, got, want)
		}
	}
	k.Learn(Owner{Name: "file"}, 1, Facts{Secret: []string{strings.Repeat("x", longestFormer+1)}})
	before := len(k.former)
	if k.Learn(Owner{Name: "file"}, 2, Facts{}); len(k.former) != before {
		t.Errorf("after a file has left, %d values are kept, and there were %d", len(k.former), before)
	}
}

// A value that came back, by a rollback or by another commit, and left again has left last.
func TestAValueThatLeavesAgainIsTheNewest(t *testing.T) {
	for _, facts := range []func(string) Facts{
		func(v string) Facts { return Facts{Secret: []string{v}} },
		func(v string) Facts { return Facts{Private: []string{v}} },
	} {
		k := NewKnown()
		k.most = 3
		for i, v := range []string{"the first", "the second", "the first", "the third", "the fourth", "the fifth"} {
			k.Learn(Owner{Name: "web"}, i, facts(v))
		}
		for v, want := range map[string]bool{"the first": true, "the second": false, "the third": true, "the fourth": true, "the fifth": true} {
			if got := k.Text(v, Anybody) == Hidden; got != want {
				t.Errorf("%s is hidden: %t, want %t", v, got, want)
			}
		}
	}
}

// A value that was a secret of one object and an ordinary one of another stays hidden from those who saw neither.
func TestAValueThatLeavesForOneReaderAfterTheOther(t *testing.T) {
	k := NewKnown()
	k.Learn(Owner{Name: "a"}, 1, Facts{Secret: []string{"a password"}})
	k.Learn(Owner{Name: "b"}, 1, Facts{Private: []string{"a password"}})
	for i, name := range []string{"a", "b"} {
		k.Learn(Owner{Name: name}, 2, Facts{})
		if len(k.former) != 1 || k.former[0].from != [...]bool{Git: true, Anybody: i == 1} || k.bytes != len("a password") {
			t.Errorf("after %s: %v, %d bytes", name, k.former, k.bytes)
		}
		if k.Text("a password", Git) != Hidden || k.Text("a password", Anybody) != Hidden {
			t.Errorf("after %s it is shown", name)
		}
	}
}

// Texts still name an object that has just gone. What was its name or a word of it is hidden in none.
func TestTheNameOfWhatLeftIsShown(t *testing.T) {
	k := NewKnown()
	k.Learn(Owner{Name: "web"}, 1, Facts{Private: []string{"production", "shop-production", "a setting"}, Open: []string{"shop-production"}})
	k.Keep(func(Owner) bool { return false })
	if got := k.Text("removed shop-production of production: a setting", Anybody); got != "removed shop-production of production: "+Hidden {
		t.Errorf("it says %q", got)
	}
}

// Whatever comes and goes, what is hidden is what somebody has, and the newest of what nobody has.
func TestWhatIsHiddenIsWhatIsThereOrLeftLately(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := []string{"https://a", "https://b", "https://c d", "https://\"e\"", "https://f\nsecond line", "hunter2"}
		owners, left, k := map[string][]string{}, []string{}, NewKnown()
		k.most = rapid.IntRange(0, 4).Draw(t, "most")
		for i := range rapid.IntRange(1, 12).Draw(t, "changes") {
			owner := rapid.SampledFrom([]string{"one", "two"}).Draw(t, "owner")
			had, has := owners[owner], rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, 4, rapid.ID).Draw(t, "values")
			owners[owner] = has
			k.Learn(Owner{Name: owner}, i, Facts{Private: has})
			all := slices.Concat(owners["one"], owners["two"])
			for _, v := range had {
				if !slices.Contains(all, v) {
					left = append(slices.DeleteFunc(left, func(l string) bool { return l == v }), v)
				}
			}
			left = left[max(0, len(left)-k.most):]
			for _, v := range values {
				if got, want := k.Text("["+v+"]", Anybody) == "[(hidden)]", slices.Contains(all, v) || slices.Contains(left, v); got != want {
					t.Fatalf("%q is hidden: %t; owners have %q, and %q left", v, got, all, left)
				}
			}
		}
		k.most = 0
		k.Keep(func(Owner) bool { return false })
		if k.leave(Facts{}); len(k.heads)+len(k.entries)+k.bytes > 0 {
			t.Fatalf("%d values stay, of %d bytes", len(k.entries), k.bytes)
		}
	})
}

func canaries() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-zA-Z0-9!%&/"'<>\\ äß\n-]{6,40}`).Filter(func(s string) bool { return len(strings.TrimSpace(s)) == len(s) })
}

// Whatever is hidden of a value comes out in no text, whatever stands around it and however the text quotes it.
func TestHiddenValuesNeverComeOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, canary := NewKnown(), canaries().Draw(t, "canary")
		name := rapid.SampledFrom([]string{"PASSWORD", "MODE", "URL", "label.x", ""}).Draw(t, "name")
		shown, hidden := Value(name, canary, false)
		if shown != Hidden {
			t.Fatalf("%q is shown as %q", canary, shown)
		}
		k.Learn(Owner{Name: "x"}, 1, Facts{Private: hidden})
		around := rapid.StringMatching(`[a-z :"(]{0,9}`)
		for _, form := range forms(canary) {
			text := around.Draw(t, "before") + form + around.Draw(t, "after")
			if got := k.Text(text, Anybody); strings.Contains(got, form) && !strings.Contains(Hidden, form) {
				t.Fatalf("%q comes out of %q: %q", canary, text, got)
			}
		}
	})
}

// No argument that is hidden stands in what is shown, and what is hidden is known.
func TestHiddenArgumentsNeverComeOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		canary := rapid.StringMatching(`[a-zA-Z0-9]{6,30}`).Draw(t, "canary")
		list := rapid.SampledFrom([][]string{
			{"serve", "--password", canary},
			{"--token=" + canary},
			{"sh", "-c", "x --secret " + canary + " y"},
			{"CMD", "redis-cli", "-a", canary},
			{"curl", "-u", "ada:" + canary},
			{"x", "amqp://a:" + canary + "@h"},
			{"X_KEY=" + canary, "run"},
			{"-H", "X-Token: " + canary},
			{"CMD-SHELL", "A_PASSWORD='" + canary + "' x"},
			{"sh", "-c", "curl -H 'Authorization: Bearer " + canary + "' h"},
		}).Draw(t, "words")
		for _, git := range []func(string) bool{nil, func(string) bool { return true }} {
			shown, hidden := Words(list, git)
			k := NewKnown()
			k.Learn(Owner{Name: "x"}, 1, Facts{Secret: hidden})
			if text := strings.Join(shown, " "); strings.Contains(text, canary) {
				t.Fatalf("%q is shown as %q", list, text)
			}
			if text := k.Text("cannot run "+canary+": no such file", Anybody); strings.Contains(text, canary) {
				t.Fatalf("of %q only %q is known", list, hidden)
			}
		}
	})
}

// A value with spaces is hidden whole, whether it is an argument or quoted in a script.
func TestValuesWithSpacesAreHiddenWhole(t *testing.T) {
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"DB_PASSWORD=two\nlines of it", "run"}, "DB_PASSWORD=(hidden)|run"},
		{[]string{"serve", "--password=two words", "--name=two words"}, "serve|--password=(hidden)|--name=two words"},
		{[]string{"mysql", "-ptwo words"}, "mysql|-p(hidden)"},
		{[]string{"sh", "-c", "DB_PASSWORD='two words' run 'as ever'"}, "sh|-c|DB_PASSWORD=(hidden) run 'as ever'"},
		{[]string{"sh", "-c", "MODE='two words' run"}, "sh|-c|MODE='two words' run"},
		{[]string{"sh", "-c", "env \"DB_PASSWORD=two words\" run"}, "sh|-c|env \"DB_PASSWORD=(hidden)\" run"},
		{[]string{"sh", "-c", "DB_PASSWORD=one run this"}, "sh|-c|DB_PASSWORD=(hidden) run this"},
		{[]string{"CMD-SHELL", "mysql -p'two words' x"}, "CMD-SHELL|mysql -p(hidden) x"},
		{[]string{"run", "-c", "DB_PASSWORD=two words"}, "run|-c|DB_PASSWORD=(hidden)"},
	} {
		shown, hidden := Words(c.words, func(string) bool { return true })
		if got := strings.Join(shown, "|"); got != c.want {
			t.Errorf("%q is %s, want %s", c.words, got, c.want)
		}
		for _, value := range []string{"two words", "two\nlines of it"} {
			if strings.Contains(strings.Join(c.words, " "), value) && strings.Contains(c.want, Hidden) && !slices.Contains(hidden, value) {
				t.Errorf("of %q only %q is known", c.words, hidden)
			}
		}
	}
}

// Strings of a document change, names of fields and everything else do not.
func TestStringsOfADocument(t *testing.T) {
	upper := func(key, s string) string {
		if key == "stays" {
			return s
		}
		return strings.ToUpper(s)
	}
	for in, want := range map[string]string{
		`{"a": "b", "stays": "c", "n": 1, "l": ["d", "e\"<f"], "o": {"g" : "h"}, "z": null}`: `{"a": "B", "stays": "c", "n": 1, "l": ["D", "E\"<F"], "o": {"g" : "H"}, "z": null}`,
		`"x"`: `"X"`, `[]`: `[]`, ``: ``, `{"a":"\u00e4\n"}`: `{"a":"Ä\n"}`, `"\\"`: `"\\"`, `"unended`: `"unended`,
	} {
		if got := string(JSON([]byte(in), upper)); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
	k := NewKnown()
	k.Learn(Owner{Name: "x"}, 1, Facts{Private: []string{"eco mode"}})
	for _, c := range [][3]string{{"why", "in eco mode", "in (hidden)"}, {"object", "eco mode", "eco mode"}, {"object", "http://a:b@c", "http://(hidden)@c"}} {
		if got := k.Field(c[0], c[1], Anybody); got != c[2] {
			t.Errorf("%s %q is %q", c[0], c[1], got)
		}
	}
}

var (
	slowRun    = regexp.MustCompile(`[A-Za-z0-9_+/=~-]{16,}`)
	slowPiece  = regexp.MustCompile(`\s+|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"']+(?:"(?:[^"\\]|\\.)*"|'[^']*')?|["']`)
	slowEnds   = regexp.MustCompile(`^(?:\||\|\||&&|&|;)$|;$`)
	slowToggle = regexp.MustCompile(`^(?i:true|false|yes|no|on|off)$`)
)

type fataler interface {
	Fatalf(format string, args ...any)
}

// checkQuickLooks compares what is found quickly with what the slow patterns find.
func checkQuickLooks(t fataler, text string) {
	var slow []part
	for _, s := range shapes {
		slow = s.find(slow, text)
	}
	if quick := parts(text); len(text) >= 6 && !slices.Equal(quick, slow) {
		t.Fatalf("of %q the quick look finds %v, and the patterns %v", text, quick, slow)
	}
	l := lookAt(text)
	if long := slowRun.MatchString(text); longRun(text) != long || l.long != long {
		t.Fatalf("%q has a long run: %v, %v", text, longRun(text), l.long)
	}
	slow = nil
	public := digest.FindAllStringIndex(text, -1)
	for _, at := range slowRun.FindAllStringIndex(text, -1) {
		if !within(at, public) && scrambled(text[at[0]:at[1]]) {
			slow = append(slow, part{at[0], at[1]})
		}
	}
	if quick := random(text); !slices.Equal(quick, slow) {
		t.Fatalf("of %q %v looks random, and by the patterns %v", text, quick, slow)
	}
	for _, s := range slices.Concat(settings, pairs) {
		if s.pattern.MatchString(text) && !s.may(&l) {
			t.Fatalf("%q has a setting of %v that the quick look does not see", text, s.pattern)
		}
	}
	var words []string
	split := pieces{rest: text}
	for p := split.next(); p != ""; p = split.next() {
		words = append(words, p)
	}
	if want := slowPiece.FindAllString(text, -1); !slices.Equal(words, want) {
		t.Fatalf("%q has the pieces %q, want %q", text, words, want)
	}
	for _, w := range append(words, text) {
		if isPath(w) != filePath.MatchString(w) || isVariable(w) != variable.MatchString(w) || isUUID(w) != uuid.MatchString(w) ||
			ends(w) != slowEnds.MatchString(w) || isToggle(w) != slowToggle.MatchString(w) {
			t.Fatalf("of %q quick looks differ from the patterns", w)
		}
	}
	if logsIn.MatchString(text) && !strings.Contains(text, "-u") && !strings.Contains(text, "-U") {
		t.Fatalf("%q has a flag for a user that the quick look does not see", text)
	}
	if commandLike(text) && !l.hasByte('-') {
		t.Fatalf("%q has flags and no -", text)
	}
}

// The same holds for any text.
func FuzzQuickLooks(f *testing.F) {
	for _, text := range []string{"/u:p@", "//u:p@h", "u:p@tcp(h)/d", "u/p@d", "u/\"p@\"@d", "a://u:p@", "http://t@", "user=u%p", "Baſic abcdef", "PASſ=x", "toKen=x", "\"a\\\nb\" c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		checkQuickLooks(t, text)
		Value(text, text, true)
		Words([]string{"sh", "-c", text}, everything)
		Words([]string{text, text}, nil)
		Content(text)
	})
}

// The quick looks before slow patterns must never hide a match from them.
func TestQuickLooksMissNothing(t *testing.T) {
	pieces := []string{
		"ghp_", "gho_", "github_pat_", "glpat-", "glsoat-", "xoxb-", "xapp-", "sk-", "sk_live_", "rk_test_", "whsec_", "AKIA", "ASIA", "AIza", "ya29.", "npm_", "pypi-", "dckr_pat_",
		"hvs.", "dop_v1_", "doo_v1_", "SG.", "shpat_", "shpss_", "glsa_", "glsc_", "AGE-SECRET-KEY-1", "123456789:", "12345678:", "0123456789ABCDEF", "abcdefghijklmnopqrstuvwxyzabcdefghi", "A1",
		"pass", "Password", "paſſword", "PWD", "secrets", "ſecret", "TOKEN", "toKen", "api-key", "accessKey", "SharedAccessKey", "sharedaccesssignature", "credential", "Authorization", "?sig", "&key", "?signature",
		"=", ": ", "'", "\"", " ", "bearer ", "BASIC ", "baſic ", "redis://", "u:p@", "https://", "@", "hooks.slack.com/services/", "-----BEGIN ", "PRIVATE KEY-----", "eyJhbGciOi", ".", "$2y$", "{SSHA}", "SWMTKN-1-",
		"discord.com/api/webhooks/", "api.telegram.org/bot", "x", "\n", "pw", "masterauth", "@tcp(", "@/x", "scott/tiger@", "//", "user=", "%",
		"u:", ":p@", "u/", "p@db", "@unix(", "(", "/", "{", "}", "[", "]", ",", ";", "\\", "<key>", "</", ">", "name", "value", ":", "-u ", "--user=", "$X", "${Y}", "/run/secrets/x", "true", "falſe", "||", "hooKs.slacK.com/ſervices/", "discord.com/api/webhooK",
		"3f2b8c1e-9a7d-4c55-8e21-0d9f6a3b7c4e", "sha256:", strings.Repeat("0a", 32), "\xff", "ä", "\t", "user a >", "requirepass ", "\\\n", "\"a", "'b",
	}
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 7).Draw(t, "pieces"), "")
		checkQuickLooks(t, text)
		words := strings.Fields(text)
		if program.MatchString(strings.Join(words, "  ")) && !slices.ContainsFunc(words, func(w string) bool { return containsAny(w, programs) }) {
			t.Fatalf("%q runs a program that the quick look does not see", text)
		}
	})
	for _, name := range []string{"redis-cli", "valkey-cli", "mysqldump", "mariadb-dump", "curl", "wget", "http", "sshpass", "sqlcmd", "mongo", "mongosh", "cypher-shell", "cqlsh", "ldapsearch"} {
		if !program.MatchString(name) || !containsAny(name, programs) {
			t.Errorf("%s: the pattern and the quick look differ", name)
		}
	}
}

// The lists may change while names are looked at, and no verdict outlives its list.
func TestVerdictsBelongToTheirLists(t *testing.T) {
	defer Allow(nil)
	defer AllowInGit(nil)
	const name = "BUILD_KEY"
	for range 3 {
		Allow([]string{name})
		if shown, _ := Value(name, "value-x", false); shown != "value-x" {
			t.Fatalf("allowed, it is %q", shown)
		}
		Allow(nil)
		AllowInGit([]string{name})
		for git, want := range map[bool]string{true: "value-x", false: Hidden} {
			if shown, _ := Value(name, "value-x", git); shown != want {
				t.Fatalf("allowed in git, for git %v it is %q", git, shown)
			}
		}
		AllowInGit(nil)
		if shown, _ := Value(name, "value-x", true); shown != Hidden {
			t.Fatalf("no longer allowed, it is %q", shown)
		}
	}
	for i := range mostVerdicts + 10 {
		SecretName(fmt.Sprint("NAME_", i))
	}
	kept := 0
	current.Load().verdicts.Range(func(any, any) bool { kept++; return true })
	if kept > mostVerdicts || kept < mostVerdicts/2 {
		t.Errorf("%d verdicts are kept", kept)
	}
	if !SecretName("LATE_PASSWORD") || SecretName("LATE_MODE") {
		t.Error("a name that is not kept has another verdict")
	}
}

func TestOneValueForBothReaders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"MODE", "PASSWORD", "LOG_LEVEL", "DSN", "TOKEN_FILE"}).Draw(t, "name")
		text := rapid.SampledFrom([]string{"", "eco", "redis://u:secret@h", "/run/secrets/x", "8f7a6b5c4d3e2f1a0b9c8d7e", "password=abc123"}).Draw(t, "text")
		stated := rapid.Bool().Draw(t, "stated")
		shown, secret, private := ValueForBoth(name, text, stated)
		wantShown, wantSecret := Value(name, text, stated)
		_, wantPrivate := Value(name, text, false)
		if !stated {
			wantPrivate = nil
		}
		if shown != wantShown || !slices.Equal(secret, wantSecret) || !slices.Equal(private, wantPrivate) {
			t.Fatalf("%s=%s, stated %v: %q %q %q, want %q %q %q", name, text, stated, shown, secret, private, wantShown, wantSecret, wantPrivate)
		}
	})
}

// What may be shown is counted when a text first asks for it, whatever goroutine does, and whatever is learnt meanwhile.
func TestManyMayAskWhileOthersLearn(t *testing.T) {
	k := NewKnown()
	k.most = 0
	k.Expect(3)
	k.Learn(Owner{Name: "secrets"}, 1, Facts{Secret: []string{"hunter-two"}, Private: []string{"public-name"}})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			own := Owner{What: "open", Name: fmt.Sprint(i)}
			for j := range 50 {
				k.Learn(own, j, Facts{Open: []string{"public-name"}, Private: []string{"value-of-some"}, Git: []string{"value-of-some"}})
				if got := k.Text("hunter-two and public-name and value-of-some", Git); got != "(hidden) and public-name and value-of-some" {
					t.Errorf("git's reader sees %q", got)
				}
				if got := k.Text("hunter-two and value-of-some", Anybody); got != "(hidden) and (hidden)" {
					t.Errorf("anybody sees %q", got)
				}
			}
		})
	}
	all.Wait()
	k.Expect(1000) // it is late, and forgets nobody
	k.Keep(func(o Owner) bool { return o.What == "" })
	if got := k.Text("hunter-two and public-name and value-of-some", Anybody); got != "(hidden) and (hidden) and value-of-some" {
		t.Errorf("when nobody says that it is public, anybody sees %q", got)
	}
}
