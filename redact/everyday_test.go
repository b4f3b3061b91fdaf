package redact

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// hex40 and the others are made of parts, so that no scanner takes them for real.
const (
	hex40    = "9f86d081884c7d659a2f" + "eaa0c55ad015aabbccdd"
	uuidOne  = "3f2b8c1e-9a7d-4c55" + "-8e21-0d9f6a3b7c4e"
	sshKey   = "ssh-ed25519 AAAA" + "C3NzaC1lZDI1NTE5AAAAIG4rT3vTt99Ox5kndS4HmgTrKBT8SKzhK4rhGkEVGlCI ada@example.com"
	random64 = "q7HkP9vX4nB8sT1yW6gZ" + "k3pQ9xL2mV7tR4wJ5dF8cN1bM6sA0eU2hY3iO7lG4r"
)

// Values of public stacks stay readable for whoever reads git.
func TestEverydayValuesAreShownToGitsReader(t *testing.T) {
	for _, c := range [][2]string{
		{"IMAGE", "ghcr.io/acme/app:1.27.3-alpine"},
		{"IMAGE", "nginx@sha256:" + hex40 + hex40[:24]},
		{"IMAGE", "registry.example.com:5000/team/app:" + hex40},
		{"app.image", "library/redis@sha256:" + hex40 + hex40[:24]},
		{"GIT_COMMIT", hex40},
		{"VCS_REF", hex40[:12]},
		{"org.opencontainers.image.revision", hex40},
		{"CLUSTER_ID", uuidOne},
		{"TENANT_UUID", uuidOne},
		{"AZURE_CLIENT_ID", uuidOne},
		{"NODE_VERSION", "20.11.1"},
		{"APP_VERSION", "v1.2.3-rc.4+build.7"},
		{"BASE_URL", "https://shop.example.com/a/b?page=2&sort=asc"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel-collector:4317"},
		{"DATABASE_URL", "postgres://app@db:5432/app?sslmode=disable"},
		{"AMQP_URL", "amqp://rabbitmq:5672/vhost"},
		{"DSN", "app@tcp(db:3306)/shop"},
		{"JDBC_URL", "jdbc:postgresql://db:5432/app"},
		{"REDIS_URL", "redis://redis:6379/0"},
		{"JDBC", "jdbc:oracle:thin:@//db:1521/orcl"},
		{"PORT", "8080"},
		{"LISTEN", "0.0.0.0:8080"},
		{"PORTS", "80:8080,443:8443"},
		{"BIND", "[::]:8080"},
		{"JAVA_OPTS", "-Xms512m -Xmx2g -XX:+UseG1GC -Dspring.profiles.active=prod -Dserver.port=8080"},
		{"JAVA_TOOL_OPTIONS", "-javaagent:/opt/agent.jar -Duser.timezone=Europe/Berlin"},
		{"NODE_OPTIONS", "--max-old-space-size=4096 --enable-source-maps"},
		{"UVICORN_ARGS", "--host 0.0.0.0 --port 8000 --workers 4"},
		{"EXTRA_ARGS", "--storage.tsdb.retention.time=15d --web.enable-lifecycle"},
		{"REDIS_ARGS", "--maxmemory 256mb --appendonly yes"},
		{"PSQL_ARGS", "psql -h db -p 5432 -U app"},
		{"SSH_ARGS", "ssh -p 2222 ada@example.com"},
		{"RUN_ARGS", "-u 1000:1000 -p 8080:80"},
		{"PATH", "/usr/local/sbin:/usr/local/bin:/usr/bin"},
		{"HOME", "/home/app"},
		{"PWD", "/app"},
		{"OLDPWD", "/usr/src/app"},
		{"TZ", "America/New_York"},
		{"CRON", "0 3 * * *"},
		{"SCHEDULE", "*/15 * * * 1-5"},
		{"BACKUP_CRON", "@daily"},
		{"TIMEOUT", "1m30s"},
		{"STARTED", "2026-12-01T00:20:04Z"},
		{"ADMIN_EMAIL", "ops@example.com"},
		{"MAIL_FROM", "Shop <no-reply@example.com>"},
		{"LANG", "de_DE.UTF-8"},
		{"CORS_ORIGINS", "https://a.example.com,https://b.example.com"},
		{"NO_PROXY", "localhost,127.0.0.1,.svc,10.0.0.0/8"},
		{"ALLOW_EMPTY_PASSWORD", "yes"},
		{"MYSQL_ALLOW_EMPTY_PASSWORD", "1"},
		{"MYSQL_RANDOM_ROOT_PASSWORD", "true"},
		{"PASSWORD_MIN_LENGTH", "12"},
		{"TOKEN_TTL", "3600"},
		{"ACCESS_TOKEN_EXPIRATION", "15m"},
		{"JWT_LIFETIME", "1h"},
		{"COOKIE_MAX_AGE", "86400"},
		{"CACHE_KEY", "products"},
		{"SORT_KEY", "created_at"},
		{"ROUTING_KEY", "orders.created"},
		{"PARTITION_KEY", "customer"},
		{"POSTGRES_PASSWORD_FILE", "/run/secrets/db-password"},
		{"FILE__PASSWORD", "/run/secrets/db"},
		{"TOKEN_PATH", "/run/configs/" + hex40},
		{"CACHE_KEY", "off"},
		{"COOKIE_SECURE", "true"},
		{"DB_PASSWORD_FILE", "/run/secrets/{{.Service.Name}}_password"},
		{"MYSQL_PASSWORD_FILE", "/password.txt"},
		{"TLS_KEY_FILE", "/etc/ssl/private/tls.key"},
		{"PUBLIC_KEY", sshKey},
		{"DEPLOY_PUB", sshKey},
		{"JWT_PUBLIC_KEY", "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n"},
		{"SMTP_AUTH", "login"},
		{"SMTP_AUTH", "true"},
		{"NEO4J_AUTH", "none"},
		{"AUTH", "oauth2"},
		{"USER", "www-data:www-data"},
		{"RUN_AS_USER", "1000:1000"},
		{"traefik.http.routers.web.rule", "Host(`a.example.com`) && PathPrefix(`/api/v1`)"},
		{"traefik.http.routers.web.middlewares", "auth@file,compress@docker"},
		{"traefik.http.middlewares.auth.forwardauth.address", "http://authelia:9091/api/verify?rd=https://login.example.com"},
		{"traefik.http.services.web.loadbalancer.server.port", "8080"},
		{"traefik.http.routers.web.tls.certresolver", "letsencrypt"},
		{"traefik.http.middlewares.auth.basicauth.usersfile", "/run/secrets/users"},
		{"traefik.http.middlewares.auth.basicauth.removeheader", "true"},
		{"caddy", "shop.example.com"},
		{"caddy.reverse_proxy", "{{upstreams 8080}}"},
		{"caddy.handle_path", "/api/*"},
		{"homepage.group", "Media"},
		{"com.centurylinklabs.watchtower.enable", "true"},
		{"description", "The shop - a service of the web team"},
		{"APP_CONFIG", "server:\n  port: 8080\n  host: 0.0.0.0\nlog: {level: debug}\n"},
		{"FLAGS_JSON", `{"feature": true, "limit": 10, "name": "shop"}`},
		{"o", "addr=nfs.example.com,rw,nfsvers=4"},
		{"device", ":/exports/data"},
		{"device", "//nas.example.com/share"},
		{"o", "username=app,vers=3.0,uid=1000"},
		{"o", "credentials=/etc/cifs/web.cred,vers=3.0"},
		{"ACTION", "actions/checkout@v4"},
		{"PACKAGE", "github.com/acme/tool@v1.2.3"},
		{"KAFKA_ADVERTISED_LISTENERS", "PLAINTEXT://kafka:9092,EXTERNAL://localhost:29092"},
		{"AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/deploy"},
		{"MAC", "02:42:ac:11:00:02"},
		{"SUBNET", "2001:db8:1:2::/64"},
		{"GROUPS", "a,b,c"},
		{"POSTGRES_USER", "${DB_USER:-ghost}"},
		{"USER", "${UID:-1000}:${GID:-1000}"},
		{"VARIABLES", "{POSTGRES_PASSWORD_FILE: /run/secrets/db-password}"},
		{"job.command", `["backup", "--keep", "7", "-p", "8080"]`},
		{"RULES", "*.example.com=allow"},
	} {
		if got, hidden := Value(c[0], c[1], true); got != c[1] {
			t.Errorf("%s=%s is shown as %s, hidden %q", c[0], c[1], got, hidden)
		}
	}
	for _, line := range []string{
		"CMD¦curl¦-fsS¦http://localhost:8080/healthz", "CMD-SHELL¦wget -qO- http://127.0.0.1:9000/minio/health/live || exit 1", "CMD-SHELL¦pg_isready -U app -d app -p 5432",
		"CMD¦redis-cli¦-p¦6380¦ping", "CMD-SHELL¦mysqladmin ping -h localhost -P 3306 -u root -p$$MYSQL_ROOT_PASSWORD", "mongod¦--auth¦--bind_ip_all", "mongod¦--auth¦--port¦27017",
		"redis-server¦--appendonly¦yes¦--save¦60 1", "sh¦-c¦mkdir -p data/cache && exec app -p 8080", "python3¦-u¦manage.py¦runserver", "docker¦compose¦-p¦shop2¦up",
		"--auth¦none¦--disable-telemetry", "code-server¦--auth=none", "app¦--user=1000:1000", "chown¦-R¦www-data:www-data¦/data", "--token-ttl¦5m¦--password-min-length=12",
		"traefik¦--providers.swarm=true¦--entrypoints.web.address=:80¦--certificatesresolvers.le.acme.email=ops@example.com",
		"prometheus¦--config.file=/etc/prometheus/prometheus.yml¦--storage.tsdb.path=/prometheus", "java¦-jar¦app.jar¦-port¦8080¦--user¦app", "--cluster-id¦" + uuidOne, "--cluster-id=" + uuidOne,
		"sh¦-c¦echo started; exec nginx -g 'daemon off;'", "sh¦-c¦cat /run/secrets/x | docker login -u app --password-stdin registry.example.com", "app¦--commit-sha=" + hex40[:10],
		"sh¦-c¦tini -- node server.js > /dev/stdout 2>&1", "app¦--log-level=debug¦--public-url=https://shop.example.com", "node¦-p¦process.version", "CMD-SHELL¦pg_isready -U '${PSQL_USER:-postgres}' -d postgres", "nc¦-z¦db¦5432",
	} {
		words := strings.Split(line, "¦")
		if got, hidden := Words(words, everything); !slices.Equal(got, words) {
			t.Errorf("%q is shown as %q, hidden %q", words, got, hidden)
		}
	}
}

// The secret is PW in each of them. It is hidden, and errors that repeat it do not show it.
func TestFormsOfSecretsAreHidden(t *testing.T) {
	const secret = "hunter-2wo"
	for _, c := range [][2]string{
		{"NEO4J_AUTH", "neo4j/PW"},
		{"NEO4J_AUTH", "PW"},
		{"ADMIN_PW", "PW"},
		{"DB_PW", "PW"},
		{"dbPw", "PW"},
		{"AUTH", "PW"},
		{"SMTP_AUTH", "u:PW"},
		{"httpAuth", "u:PW"},
		{"ADMIN_USER", "admin:PW"},
		{"USERS", "admin:PW"},
		{"WIFI_PSK", "PW"},
		{"SEED_MNEMONIC", "PW"},
		{"MASTERAUTH", "PW"},
		{"REDIS_ARGS", "--requirepass PW"},
		{"REDIS_ARGS", "--save 60 1 --requirepass PW --appendonly yes"},
		{"ARGS", "--masterauth PW"},
		{"ARGS", "--pw=PW -v"},
		{"ARGS", "--auth PW"},
		{"ARGS", "--auth.basic=u:PW"},
		{"ARGS", "-u root -pPW"},
		{"ARGS", "-u root -p PW"},
		{"ARGS", "--user=u:PW -v"},
		{"REDIS_CONF", "requirepass PW"},
		{"DSN", "u:PW@tcp(db:3306)/x"},
		{"DSN", "u:PW@/x"},
		{"DSN", "u:PW@unix(/var/run/mysqld.sock)/x"},
		{"DB", "dsn=u:PW@tcp(db)/x?parseTime=true"},
		{"ORACLE", "u/PW@db"},
		{"ORACLE", "u/PW@//db:1521/orcl"},
		{"JDBC", "jdbc:oracle:thin:u/PW@db:1521:orcl"},
		{"ORACLE", `u/"PW"@db.example.com/orcl`},
		{"CHECK", "redis-cli -a PW ping"},
		{"CHECK", "curl -u u:PW http://x"},
		{"INIT", "echo u:PW | chpasswd"},
		{"INIT", "echo 'u:PW' | chpasswd"},
		{"INIT", "PGPASSWORD=PW psql"},
		{"INIT", "docker run -e MYSQL_PW=PW x"},
		{"INIT", "sshpass -p PW ssh x"},
		{"INIT", "docker login -u ada -p PW r.example.com"},
		{"APP_CONFIG", "db:\n  user: app\n  password: PW\n"},
		{"APP_CONFIG", "[db]\nuser=app\npassword=PW\n"},
		{"APP_CONFIG", `{"db": {"password": "PW"}}`},
		{"APP_CONFIG", "{user: app, password: PW}"},
		{"APP_CONFIG", "[{\"name\": \"DB_PW\", \"value\": \"PW\"}]"},
		{"APP_CONFIG", "password: PW"},
		{"APP_CONFIG", "user default on >PW ~* +@all\nuser x off\n"},
		{"APP_CONFIG", "<password>PW</password>"},
		{"job.command", `["redis-cli", "-a", "PW", "ping"]`},
		{"job.command", `["--auth=PW"]`},
		{"PGPASS", "db:5432:app:web:PW"},
		{"ENV_FILE", "A=1\nDB_PW=PW\n"},
		{"ofelia.job.command", "mysqldump -u root -pPW shop"},
		{"label.args", "backup --password PW --now"},
		{"device", "//u:PW@nas/share"},
		{"o", "username=u,password=PW,vers=3.0"},
		{"o", "user=u%PW,vers=3.0"},
		{"LOG_LEVEL", "--token PW"},
		{"POSTGRES_PASSWORD_FILE", "PW"},
		{"PASSWORD_MIN_LENGTH", "PW"},
		{"CACHE_KEY", "PW"},
		{"ALLOW_EMPTY_PASSWORD", "PW"},
		{"PWD", "PW"},
		{"PUBLIC_KEY", "PW"},
		{"TOKEN_TTL", "PW"},
		{"PASSWORD", "123456"},
		{"DB_PIN", "1234"},
		{"SECRET", "yes"},
		{"DB_PASSWORD", "on"},
		{"API_KEY", "12345678"},
		{"TOKEN_LIMIT_SECRET", "3600"},
		{"PUBLIC_KEY_PASSWORD", "BEl62iUYgUivxIkv69yViEuiBIa-Ib9-SkvMeAtA3LFgDzkrxZJjSgSnfckjBJuBkr3qBUYIHBQFLXYp5Nksh8U"},
		{"ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY", "correcthorse"},
		{"AZURE_PRIMARY_KEY", "correcthorse"},
		{"ENCRYPTION_CACHE_KEY", "correcthorse"},
		{"BOOTSTRAP", uuidOne},
		{"o", "credentials=/b3BlbnNlc2Ft/ZQx9Kq7Lm2"},
		{"ARGS", "app_credentials=/hunter/two"},
	} {
		text := strings.ReplaceAll(c[1], "PW", secret)
		text = strings.NewReplacer("MYSQL_"+secret, "MYSQL_PW", "DB_"+secret, "DB_PW").Replace(text)
		got, hidden := Value(c[0], text, true)
		if got != Hidden {
			t.Errorf("%s=%s is shown as %s", c[0], text, got)
		}
		k := NewKnown()
		k.Learn(Owner{}, 1, Facts{Secret: hidden})
		if strings.Contains(text, secret) && strings.Contains(k.Text("cannot use "+secret+" here", Git), secret) {
			t.Errorf("of %s=%s only %q is known", c[0], text, hidden)
		}
	}
	for _, line := range []string{
		"redis-server¦--masterauth¦PW", "--masterauth¦PW¦--appendonly¦yes", "--requirepass¦PW", "redis-cli¦-a¦PW¦ping", "CMD-SHELL¦/usr/local/bin/redis-cli -h x -a PW ping | grep PONG",
		"CMD-SHELL¦test \"$(redis-cli -a PW ping)\" = PONG", "--auth¦PW", "--auth=PW", "--pw=PW", "--pw¦PW", "--admin-pw¦PW", "--auth.basic=u:PW", "--web.auth¦u:PW", "--basic-auth=u:PW", "--user=u:PW",
		"curl¦-u¦u:PW¦http://x", "curl¦-fsu¦u:PW¦http://x", "curl¦-uu:PW¦http://x", "curl¦--user=u:PW", "curl¦--user¦u:PW", "CMD-SHELL¦curl -sf -u u:PW http://x || exit 1", "-u¦u:PW",
		"sh¦-c¦echo u:PW | chpasswd", "sh¦-c¦echo \"u:PW\" | chpasswd && exec sshd -D", "sh¦-c¦chpasswd <<< u:PW", "sh¦-c¦printf '%s' PW | docker login -u u --password-stdin x", "sh¦-c¦echo PW | sudo -S x",
		"sshpass¦-p¦PW¦ssh¦x", "sshpass¦-pPW¦ssh¦x", "PGPASSWORD=PW¦psql", "sh¦-c¦PGPASSWORD=PW psql -U app", "docker¦run¦-e¦PASSWORD=PW¦x", "docker¦run¦--env=MYSQL_PW=PW¦x", "docker¦run¦-ePASSWORD=PW¦x",
		"sh¦run.sh¦-u¦admin¦-p¦PW", "USER=app run --password PW", "docker¦login¦-u¦ada¦-p¦PW¦r.example.com", "mysql¦-uroot¦-pPW", "-uroot¦-pPW", "-u¦root¦-p¦PW", "app¦-u¦admin¦-p¦PW", "app¦-p¦PW", "sh¦-c¦mkdir -p data && app -u admin -p PW", "mongosh¦-u¦root¦-p¦PW",
		"htpasswd¦-bnB¦u¦PW", "sh¦-c¦htpasswd -bc /etc/nginx/htpasswd u PW && nginx", "openssl¦rsa¦-passin¦pass:PW", "smbclient¦-U¦u%PW¦//nas/share", "mount¦-t¦cifs¦//u:PW@nas/share¦/mnt",
		"sqlplus¦u/PW@db", "app¦u:PW@tcp(db)/x", "app¦--dsn=u:PW@tcp(db)/x", "redis-server¦--user¦default on >PW ~* +@all", "redis-server¦--user¦default¦on¦>PW",
		"app¦--config¦db:\n  password: PW\n", "app¦{\"password\": \"PW\"}", "username=u,password=PW", "--set¦auth.password=PW", "CMD¦ldapsearch¦-w¦PW",
	} {
		words := strings.Split(strings.ReplaceAll(strings.ReplaceAll(line, "PW", secret), "MYSQL_"+secret, "MYSQL_PW"), "¦")
		got, hidden := Words(words, everything)
		if text := strings.Join(got, "¦"); strings.Contains(text, secret) || !strings.Contains(text, Hidden) {
			t.Errorf("%s is shown as %s", line, text)
		}
		k := NewKnown()
		k.Learn(Owner{}, 1, Facts{Secret: hidden})
		if strings.Contains(k.Text("cannot use "+secret+" here", Git), secret) {
			t.Errorf("of %s only %q is known", line, hidden)
		}
	}
}

// What looks like a switch is a password where only a password can stand, and a UUID is a key where nothing says id.
func TestWhatOnlyAPasswordCanBe(t *testing.T) {
	for _, line := range []string{"redis-cli¦-a¦yes", "sshpass¦-p¦true¦ssh", "ldapsearch¦-w¦on", "--password¦true", "--token=on", "--join¦" + uuidOne, "--hec=" + uuidOne, "curl¦-u¦ada:two words¦x", "curl¦-u¦-x:hunter2hunter2"} {
		words := strings.Split(line, "¦")
		if got, _ := Words(words, everything); slices.Equal(got, words) {
			t.Errorf("%q is shown", words)
		}
	}
}

// Texts that whoever writes manifests may write must not keep the operator busy.
func TestHostileTextsTakeLittleTime(t *testing.T) {
	for name, text := range map[string]string{
		"settings in settings": strings.Repeat("KEY: ", 2000) + "requirepass x", "lines": strings.Repeat("KEY: ", 2000) + "x\n", "assignments": "-x " + strings.Repeat("A=", 50_000) + "x",
		"ats": strings.Repeat("@", 100_000), "accounts": strings.Repeat("u:p@t", 20_000), "quotes": strings.Repeat(`\"' `, 20_000) + " -x", "brackets": strings.Repeat("[{", 50_000), "eights": strings.Repeat("a/b", 30_000) + "@",
	} {
		before := time.Now()
		Value("MODE", text, true)
		Words([]string{"sh", "-c", text}, everything)
		Content(text)
		if took := time.Since(before); took > time.Minute {
			t.Errorf("%s: %v", name, took)
		}
	}
}

// A mount's source and its options are no free text. What has the shape of a secret in them is hidden from everybody.
func TestSecretsInSourcesOfMounts(t *testing.T) {
	for text, want := range map[string]string{
		"//u:hunter2@nas/share": "//(hidden)@nas/share", "/u:hunter2@nas/share": "/(hidden)@nas/share", "no such path: /u:hunter2@nas": "no such path: /(hidden)@nas",
		"username=u,password=hunter2,vers=3": "username=u,password=(hidden),vers=3", "username=u%hunter2,rw": "username=(hidden),rw",
		"//nas/share": "", "/srv/x:/data:ro": "", "/var/lib/data": "", "credentials=/etc/nas.d/cred": "", "user=u,rw": "",
	} {
		if want == "" {
			want = text
		}
		if got := Text(text); got != want {
			t.Errorf("%s is shown as %s, want %s", text, got, want)
		}
	}
}

// A name that is listed as harmless shows only what does not look like a secret.
func TestHarmlessNamesShowNothingThatLooksRandom(t *testing.T) {
	for _, c := range []struct {
		name, text string
		shown      bool
	}{
		{"traefik.http.routers.web.rule", random64, false},
		{"traefik.http.routers.web.rule", "Host(`" + random64 + "`)", false},
		{"traefik.http.routers.web.rule", "Host(`web.example.com`)", true},
		{"LOG_LEVEL", random64, false},
		{"GIT_SHA", random64, false},
		{"TZ", "8f14e45fceea167a" + "5a36dedd4bea2543", false},
		{"CONFIG_FILE", "/data/" + random64, false},
		{"CONFIG_FILE", "/run/configs/app-3f2b8c1e9a7d", true},
		{"GIT_SHA", hex40, true},
		{"com.docker.stack.image", "registry.example.com/app:" + hex40, true},
		{"com.docker.stack.image", "app:1.2@sha256:" + hex40 + hex40[:24], true},
		{"com.docker.compose.project", uuidOne, true},
	} {
		for _, git := range []bool{true, false} {
			if got, _ := Value(c.name, c.text, git); (got == c.text) != c.shown {
				t.Errorf("%s=%s is shown as %s, git %v", c.name, c.text, got, git)
			}
		}
	}
	Allow([]string{"BUILD"})
	defer Allow(nil)
	if got, _ := Value("BUILD", random64, false); got != random64 {
		t.Errorf("what the operator lists is shown as %s", got)
	}
}

func BenchmarkValue(b *testing.B) {
	current.Store(&lists{}) // another test fills the memory of verdicts
	for _, v := range [][3]string{
		{"short", "MODE", "eco"},
		{"number", "WORKERS", "4"},
		{"port", "PORT", "8080"},
		{"path", "DATA", "/var/lib/app/data"},
		{"url", "DATABASE_URL", "postgres://app@db:5432/app?sslmode=disable"},
		{"http", "BASE_URL", "http://otel-collector:4317"},
		{"flags", "JAVA_OPTS", "-Xms512m -Xmx2g -Dspring.profiles.active=prod"},
		{"rule", "traefik.http.routers.web.rule", "Host(`a.example.com`)"},
		{"image", "com.docker.stack.image", "ghcr.io/acme/app:1.27.3-alpine"},
		{"text", "TITLE", "The shop of the web team"},
		{"secret", "DB_PASSWORD", "hunter2"},
		{"limit", "TOKEN_TTL", "3600"},
		{"file", "DB_PASSWORD_FILE", "/run/secrets/db"},
		{"email", "ADMIN_EMAIL", "ops@example.com"},
		{"document", "CONFIG", "server:\n  port: 8080\n  host: 0.0.0.0\nlog: {level: debug}\n"},
	} {
		b.Run(v[0], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Value(v[1], v[2], true)
			}
		})
	}
	for name, words := range map[string][]string{
		"check": {"CMD-SHELL", "curl -fsS http://localhost:8080/healthz || exit 1"}, "command": {"serve", "--log-level", "debug", "--port=80"},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Words(words, everything)
			}
		})
	}
}

// Most values of a cluster are of these kinds, and diff asks for each of them.
func TestValuesThatShowNothingNeedNoMemory(t *testing.T) {
	current.Store(&lists{}) // another test fills the memory of verdicts
	for _, v := range [][2]string{
		{"MODE", "eco"},
		{"WORKERS", "4"},
		{"DATA", "/var/lib/app/data"},
		{"URL", "http://otel-collector:4317"},
		{"IMAGE", "ghcr.io/acme/app:1.27.3-alpine"},
		{"DATABASE_URL", "postgres://app@db:5432/app?sslmode=disable"},
		{"ADMIN_EMAIL", "ops@example.com"},
		{"TITLE", "the shop of the web team"},
	} {
		if n := testing.AllocsPerRun(10, func() { Value(v[0], v[1], true) }); n > 0 {
			t.Errorf("%s=%s needs memory %v times", v[0], v[1], n)
		}
	}
}
