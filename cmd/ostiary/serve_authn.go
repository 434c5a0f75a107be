package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ostiary/ostiary/api"
	"github.com/ostiary/ostiary/internal/reload"
	"github.com/ostiary/ostiary/keyset"
)

// authnFlags say who callers are, and whether they may do only what they were granted.
type authnFlags struct {
	method  string
	keys    []string // without names
	file    string   // of keys without names
	named   string   // file of keys with names
	control string
	oidc    oidcFlags
	mtlsCA  string // file
}

// oidcFlags say whose tokens callers may show.
type oidcFlags struct {
	issuers  []string
	audience string
	subjects []string
}

// options returns what the flags say, without keys and time.
func (o oidcFlags) options() api.OIDCOptions {
	return api.OIDCOptions{Issuers: o.issuers, Audience: o.audience, Subjects: o.subjects}
}

// beside returns an authenticator that takes tokens too, where the flags say so.
func (o *oidcFlags) beside(others api.Authenticator, keys *keyset.Cache, now func() int64) (api.Authenticator, error) {
	if o == nil {
		return others, nil
	}
	options := o.options()
	options.Keys, options.Now = func(issuer string) keyset.Source { return keys.Issuer(issuer) }, now
	tokens, err := api.NewOIDC(options)
	if err != nil {
		return nil, usagef("--authn-oidc-issuer, --authn-oidc-audience: %v", err)
	}
	if others == nil {
		return tokens, nil
	}
	return api.FirstOf(others, tokens), nil
}

func (a *authnFlags) register(f *pflag.FlagSet) {
	f.StringVar(&a.method, "authn-method", "", "who may call: preshared, oidc, mtls, several with commas between in this order, or none (with --dev alone)")
	f.StringSliceVar(&a.keys, "authn-preshared-keys", nil, "keys for --authn-method preshared, with commas between")
	f.StringVar(&a.file, "authn-preshared-keys-file", "", "file with keys for --authn-method preshared, one a line")
	f.StringVar(&a.named, "authn-keys-file", "", "file with keys that have names for --authn-method preshared, one a line: NAME KEY or NAME sha256:HEX; read again when it changes")
	f.StringVar(&a.control, "access-control", "", "on: callers may do what 'ostiary access grant' gave them; off: everything (without: on with --authn-keys-file, oidc and mtls, else off)")
	f.StringSliceVar(&a.oidc.issuers, "authn-oidc-issuer", nil, "issuers whose access tokens callers may show, for --authn-method oidc, with commas between")
	f.StringVar(&a.oidc.audience, "authn-oidc-audience", "", "audience that such tokens must name")
	f.StringSliceVar(&a.oidc.subjects, "authn-oidc-subjects", nil, "subjects whose tokens alone count, with commas between (without: all)")
	f.StringVar(&a.mtlsCA, "authn-mtls-ca", "", "file with the authorities whose client certificates name callers, for --authn-method mtls, PEM; read again when it changes")
	fromEnv(f, "authn-method", "authn-preshared-keys", "authn-preshared-keys-file", "authn-keys-file", "access-control",
		"authn-oidc-issuer", "authn-oidc-audience", "authn-oidc-subjects", "authn-mtls-ca")
	annotate(f, "authn-preshared-keys", secretAnnotation, "")
	oneOf(f, "authn-method", "preshared", "oidc", "mtls", "preshared,oidc", "preshared,mtls", "oidc,mtls", "preshared,oidc,mtls", "none")
	oneOf(f, "access-control", "on", "off")
}

// callers is what the flags say of callers.
type callers struct {
	authenticator api.Authenticator
	control       bool                // they may do only what they were granted
	oidc          *oidcFlags          // tokens count beside the authenticator, which may be nil then; nil: none do
	authorities   *reload.Authorities // of certificates that name callers; nil: none do
	files         []*reload.Files     // that are read again
}

// judge judges who may call. A server that would let everybody in without having been told so by --dev does not start.
func (f serveFlags) judgeCallers(logger *slog.Logger) (callers, error) {
	a := f.authn
	keys, err := a.unnamedKeys()
	if err != nil {
		return callers{}, err
	}
	given := len(keys) > 0 || a.named != ""
	methods := strings.Split(a.method, ",")
	preshared, tokens, mtls := slices.Contains(methods, "preshared"), slices.Contains(methods, "oidc"), slices.Contains(methods, "mtls")
	switch {
	case f.dev && (preshared || tokens || mtls || given):
		return callers{}, usagef("--dev is the mode without authentication: leave out --dev, or the keys and methods of callers")
	case f.dev && a.control == "on":
		return callers{}, usagef("--access-control on needs callers who say who they are: leave out --dev, and pass --authn-method preshared")
	case f.dev:
		faults := []error{loopbackOnly("--grpc-addr", f.grpcAddr), loopbackOnly("--http-addr", f.httpAddr)}
		if f.adminAddr != "" {
			faults = append(faults, loopbackOnly("--admin-addr", f.adminAddr))
		}
		return callers{authenticator: api.Anonymous()}, errors.Join(faults...)
	case a.method == "":
		return callers{}, usagef("no authentication method: pass --authn-method preshared with keys in --authn-keys-file, OSTIARY_AUTHN_PRESHARED_KEYS or --authn-preshared-keys-file, or --dev to try things out on this machine")
	case a.method == "none":
		return callers{}, usagef("--authn-method none lets everybody in: it needs --dev, which listens on loopback addresses alone; elsewhere use --authn-method preshared")
	case tokens && (len(a.oidc.issuers) == 0 || a.oidc.audience == ""):
		return callers{}, usagef("--authn-method oidc needs --authn-oidc-issuer and --authn-oidc-audience")
	case given && !preshared:
		return callers{}, usagef("there are keys, and --authn-method %s takes none: pass --authn-method preshared,%s", a.method, a.method)
	case mtls != (a.mtlsCA != ""):
		return callers{}, usagef("--authn-method mtls and --authn-mtls-ca belong together: the file holds the authorities of client certificates")
	case mtls && !f.tls.any():
		return callers{}, usagef("--authn-method mtls needs TLS: pass --tls-cert and --tls-key")
	case mtls && sharesAuthority(a.mtlsCA, f.cluster.security.ca):
		return callers{}, usagef("--authn-mtls-ca and --cluster-ca have an authority in common: whoever may call could join the cluster, and do everything; use another authority for callers")
	case preshared && !given:
		return callers{}, usagef("--authn-method preshared needs keys: --authn-keys-file, OSTIARY_AUTHN_PRESHARED_KEYS, --authn-preshared-keys-file or --authn-preshared-keys")
	}
	c := callers{control: a.control == "on" || a.control == "" && (a.named != "" || tokens || mtls)}
	if tokens {
		c.oidc = &a.oidc
	}
	var all []api.Authenticator
	if a.named != "" {
		keys, files, err := openKeysFile(a.named, logger)
		if err != nil {
			return callers{}, err
		}
		all, c.files = append(all, keys), append(c.files, files)
	}
	if len(keys) > 0 {
		unnamed, err := api.PresharedKeys(keys...)
		if err != nil {
			return callers{}, usagef("%v", err)
		}
		all = append(all, unnamed)
	}
	if mtls {
		if c.authorities, err = reload.OpenAuthorities("authorities of callers", a.mtlsCA, logger); err != nil {
			return callers{}, usagef("--authn-mtls-ca: %v", err)
		}
		c.files = append(c.files, c.authorities.Files)
	}
	switch {
	case len(all) > 0:
		c.authenticator = api.FirstOf(all...)
	case mtls && !tokens:
		c.authenticator = api.CertificatesOnly()
	}
	return c, nil
}

// unnamedKeys returns the keys of the flag and of the file.
func (a authnFlags) unnamedKeys() ([]string, error) {
	keys := append([]string(nil), a.keys...)
	if a.file == "" {
		return keys, nil
	}
	text, err := os.ReadFile(a.file)
	if err != nil {
		return nil, fmt.Errorf("read the pre-shared keys: %w", err)
	}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if strings.ContainsAny(line, " \t") { // what names a key is no secret, and must not become one
			return nil, usagef("--authn-preshared-keys-file %s: line %d has white space, which no key has: keys with names belong into --authn-keys-file", a.file, number)
		}
		keys = append(keys, line)
	}
	return keys, nil
}

// openKeysFile reads a file of keys with names. What it holds later is taken when it is looked at again; one that is at
// fault, or gone, leaves the keys as they are.
func openKeysFile(path string, logger *slog.Logger) (keys *api.NamedKeys, files *reload.Files, err error) {
	files, err = reload.Open("keys", []string{path}, logger, func(texts [][]byte) error {
		if keys != nil {
			return keys.Replace(texts[0])
		}
		read, err := api.NewNamedKeys(texts[0])
		if err != nil {
			return usagef("--authn-keys-file %s: %v", path, err)
		}
		keys = read
		return nil
	})
	return keys, files, err
}
