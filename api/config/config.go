// Package config has the words of the operator's own configuration file. Whoever can write that file has the operator's
// power. Whoever can write manifests has less: manifests only name what this file defines, and state nothing that is
// outside the swarm.
package config

import v1 "github.com/swarm-operator/swarm-operator/api/v1"

// Configuration is the file that --config names. Each field that has a flag means what the flag means. A flag of the
// command line counts before a variable of the environment, and both count before the file. A file that states nothing is
// refused; to go by the defaults, name no file.
type Configuration struct {
	// Sources are where manifests come from. There may be one; to follow several, run an operator for each. The list may
	// be left out if the file states something more, and may not be empty. Without it, flags say all of this. While an
	// operator runs, a file that stated a source may not lose it.
	Sources Sources `json:"sources,omitempty"`
	// Sinks are where join tokens and unlock keys go, by the names that manifests use.
	Sinks map[string]Sink `json:"sinks,omitempty"`
	// Authorities are roots of your own for the swarm's CA, by the names that spec.ca.signing of a Cluster uses.
	Authorities map[string]Authority `json:"authorities,omitempty"`
	// TLS has the files for TLS with engines, by the names that spec.engine.tls of a Node uses.
	TLS map[string]TLS `json:"tls,omitempty"`
	// Show are names of variables, options, labels and flags whose values everybody may see: in the API, in logs and in
	// errors. * stands for any text, - and _ are the same, and so are small and capital letters. A value that has the
	// shape of a secret, such as a URL with a password, stays hidden.
	Show []string `json:"show,omitempty" flag:"show"`
	// Engine is the engine that the operator talks to.
	Engine Engine `json:"engine,omitzero"`
	// InsecureEngines is true to use engines that manifests name at tcp:// without TLS. Whoever is on the way can read join
	// tokens, and with them join the swarm. Default false.
	InsecureEngines bool `json:"insecureEngines,omitempty" flag:"insecure-engines"`
	// EngineSockets are patterns of sockets of the operator's own host that manifests may name as engines with unix://, such
	// as /run/engines/*: * is any text, ? is any character. Without it the operator does not touch any of them, because a
	// manifest could find out what exists on that host, and send calls to it. Default: none.
	EngineSockets []string `json:"engineSockets,omitempty" flag:"engine-sockets"`
	// HTTP is how the operator answers.
	HTTP HTTP `json:"http,omitzero"`
	// Log is what the operator logs.
	Log Log `json:"log,omitzero"`
	// AuditLog is a file that the operator adds a line in JSON to for each write, delivery, consent, hold and refusal, or -
	// for the standard output. Default: none.
	AuditLog string `json:"auditLog,omitempty" flag:"audit-log"`
	// HashKeyFile is a file with the key for digests of secrets, at least 32 bytes that nobody can guess. Only its owner may
	// be able to read it. Default: no key. Whoever reads the API can then try guesses, though slowly.
	HashKeyFile string `json:"hashKeyFile,omitempty" flag:"hash-key-file"`
	// Instance is the name of this instance in the lease and in status. Default: the hostname.
	Instance string `json:"instance,omitempty" flag:"instance"`
	// OwnService is the name of the service that the operator itself runs as. The operator updates it last, and never
	// removes it.
	OwnService string `json:"ownService,omitempty" flag:"own-service"`
	// Resync is how often the operator looks at everything even if nothing happened, give or take a tenth. Default 5m.
	Resync *v1.Duration `json:"resync,omitempty" flag:"resync"`
	// Flags are values for other flags of commands, by the flag's name without --.
	Flags map[string]string `json:"flags,omitempty"`
}

// Sources are where manifests come from.
type Sources []Source

// NoEntry says what is wrong with a list without a source. Its mode and guardrails would be gone, and nobody would know.
func (Sources) NoEntry() string {
	return "states no source, so that the operator would enforce, without guardrails; state one, such as [{location: URL, mode: observe}]"
}

// Source is where manifests come from, and what the operator may do for them.
type Source struct {
	// Name is the name of the source, which owns what it makes. Default: the name in .swarm-operator.yaml, otherwise
	// default.
	Name string `json:"name,omitempty" flag:"name"`
	// Location is a directory, a git checkout or the URL of a repository. Default: the working directory.
	Location string `json:"location,omitempty" flag:"source"`
	// Path is the directory below the source where manifests start.
	Path string `json:"path,omitempty" flag:"path"`
	// Guardrails is a file with rules for what the manifests of the source may state.
	Guardrails string `json:"guardrails,omitempty" flag:"guardrails"`
	// Mode is enforce, or observe to report differences and never write. Default enforce.
	Mode string `json:"mode,omitempty" flag:"mode"`
	// RepairAfter is how long the operator reports a change by hand before it undoes it. Default 1m; 0s means at once.
	RepairAfter *v1.Duration `json:"repairAfter,omitempty" flag:"repair-after"`
	// RepairRestartsAfter is the same for a change whose undoing restarts the tasks of a service. Default 15m.
	RepairRestartsAfter *v1.Duration `json:"repairRestartsAfter,omitempty" flag:"repair-restarts-after"`
	// OnProblem is what waits if an object has a wrong value: object for the object and whatever depends on it,
	// revision for the whole revision. Default object.
	OnProblem string `json:"onProblem,omitempty" flag:"on-problem"`
	// RewrittenHistory is what to do if a revision takes back commits of the one in force: allow reports it, consent
	// waits for consent to rewind. Default allow.
	RewrittenHistory string `json:"rewrittenHistory,omitempty" flag:"rewritten-history"`
	// Consents is how people agree to what can do harm: commits for Consent lines in commits and for commands, commands
	// for commands only. Default commits.
	Consents string `json:"consents,omitempty" flag:"consents"`
	// Budgets are how much one revision may do without consent.
	Budgets Budgets `json:"budgets,omitzero"`
}

// Budgets are how much one revision may do without consent.
type Budgets struct {
	// Removals is how many objects one revision may remove. More than a quarter of the source's objects always needs
	// consent. Default 10.
	Removals *int `json:"removals,omitempty" flag:"max-removals"`
	// Restarts is how many services one revision may restart. A tenth of the source's services never needs consent.
	// Default 10.
	Restarts *int `json:"restarts,omitempty" flag:"max-restarts"`
	// Rollouts is how many services may roll out at once. Default 5.
	Rollouts *int `json:"rollouts,omitempty" flag:"max-rollouts"`
	// FailedRollouts is how many failed roll-outs of a revision stop the rest of it. Default 2.
	FailedRollouts *int `json:"failedRollouts,omitempty" flag:"max-failed-rollouts"`
	// Drains is how many nodes may be emptied at once. Default 1.
	Drains *int `json:"drains,omitempty" flag:"max-drains"`
}

// Engine is the engine that the operator talks to, as the docker CLI finds it.
type Engine struct {
	// Host is unix://PATH, tcp://HOST:PORT or ssh://[USER@]HOST. Default: DOCKER_HOST, otherwise the docker context.
	Host string `json:"host,omitempty" flag:"host"`
	// Context is the docker context. Default: DOCKER_CONTEXT, otherwise the current one.
	Context string `json:"context,omitempty" flag:"context"`
	// Verify is true to use TLS and to verify the engine.
	Verify *bool `json:"verify,omitempty" flag:"tlsverify"`
	// CAFile holds the certificates that the engine's certificate is checked with.
	CAFile string `json:"caFile,omitempty" flag:"tlscacert"`
	// CertFile is the certificate that the operator shows to the engine.
	CertFile string `json:"certFile,omitempty" flag:"tlscert"`
	// KeyFile is the private key of that certificate.
	KeyFile string `json:"keyFile,omitempty" flag:"tlskey"`
}

// HTTP is how the operator answers.
type HTTP struct {
	// Listen is the address for health, metrics and the API. Default 127.0.0.1:9737. "" means that the operator does not
	// listen.
	Listen *string `json:"listen,omitempty" flag:"listen"`
	// Hosts are names by which others ask this operator. Addresses, localhost, the name of the machine and the one in
	// listen always count.
	Hosts []string `json:"hosts,omitempty" flag:"http-host"`
	// TokenFile is a file with the tokens that requests need, one a line, except for health. Default: they need none.
	TokenFile string `json:"tokenFile,omitempty" flag:"http-token-file"`
	// CertFile is a file with the certificate to serve with. Requests then need TLS, except for health. Default: no TLS.
	CertFile string `json:"certFile,omitempty" flag:"http-tls-cert"`
	// KeyFile is a file with the key of that certificate.
	KeyFile string `json:"keyFile,omitempty" flag:"http-tls-key"`
	// CAFile is a file with certificates, for the commands that ask an operator, such as status: they ask by TLS, and trust
	// only certificates that those in the file have signed. The operator itself does not use it.
	CAFile string `json:"caFile,omitempty" flag:"http-ca"`
	// Limits are how much is answered at once. Requests for health have a limit of their own, which no other request uses
	// up.
	Limits HTTPLimits `json:"limits,omitzero"`
}

// HTTPLimits are how much an operator answers at once.
type HTTPLimits struct {
	// Connections is how many connections may be open. To make room for a newer one, the operator closes one on which it
	// answers nothing, of the client that has the most. Default 256.
	Connections *int `json:"connections,omitempty" flag:"http-max-connections"`
	// Requests is how many requests may be answered at once, except those for health. Others wait for a second, and then
	// get the status 503. Default 16.
	Requests *int `json:"requests,omitempty" flag:"http-max-requests"`
}

// Log is what the operator logs.
type Log struct {
	// Level is the least severe level that is logged: debug, info, warn or error. Default info.
	Level string `json:"level,omitempty" flag:"log-level"`
	// Format is text or json. Default text.
	Format string `json:"format,omitempty" flag:"log-format"`
}

// Sink is where a join token or an unlock key goes. It states exactly one of file, age and command.
type Sink struct {
	// File is the absolute path of a file that holds the token or key as it is, with the mode 0600. The operator
	// replaces no file there that it did not write.
	File string `json:"file,omitempty"`
	// Age is an encrypted file that only the recipients can read.
	Age *AgeSink `json:"age,omitempty"`
	// Command is the absolute path of a program, and its arguments. The program gets the token or key on its standard
	// input, and must end with 0 within 30 s. The operator runs it without a shell, and shows the arguments nowhere.
	Command []string `json:"command,omitempty"`
	// Verify is the absolute path of a program, and its arguments, that says whether what command stored is still there. It
	// gets the token or key on its standard input, and ends with 0 if that is what is stored. The operator runs it each
	// time that it looks at everything, and delivers again if the program does not end with 0 within 10 s. If omitted, what
	// command was given once counts as stored.
	Verify []string `json:"verify,omitempty"`
	// Volatile is true if file, or the file of age, may be on a file system that a restart empties, such as /run. If
	// false, the operator refuses such a place, because an unlock key would be lost when it is needed.
	Volatile bool `json:"volatile,omitempty"`
}

// Path is the path of the file that a sink writes. It is "" if the sink is a program.
func (s Sink) Path() string {
	if s.Age != nil {
		return s.Age.File
	}
	return s.File
}

// AgeSink is a file that is encrypted with age.
type AgeSink struct {
	// Recipients are public keys, such as age1…. The private key of any one of them opens the file.
	Recipients []string `json:"recipients"`
	// File is the absolute path of the encrypted file.
	File string `json:"file"`
}

// Authority is a root of your own for the swarm's CA.
type Authority struct {
	// CertFile is the absolute path of a CA's certificate in PEM. The file must contain certificates only. When the
	// operator brings it in, the certificate must be valid for another year.
	CertFile string `json:"certFile"`
	// KeyFile is the absolute path of the certificate's private key, in PEM and without a passphrase.
	KeyFile string `json:"keyFile"`
}

// TLS has the files for TLS with an engine.
type TLS struct {
	// CAFile is the absolute path of the certificates that the engine's certificate is checked with.
	CAFile string `json:"caFile"`
	// CertFile is the absolute path of the certificate that the operator shows to the engine.
	CertFile string `json:"certFile,omitempty"`
	// KeyFile is the absolute path of the private key of that certificate.
	KeyFile string `json:"keyFile,omitempty"`
}

// Named is what manifests name and only the operator's configuration defines.
type Named struct {
	Sinks       map[string]Sink
	Authorities map[string]Authority
	TLS         map[string]TLS
}

// Named returns what manifests may name.
func (c *Configuration) Named() Named {
	return Named{Sinks: c.Sinks, Authorities: c.Authorities, TLS: c.TLS}
}
