package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ostiary/ostiary/raftstore"
)

// nodeName is what a node may be called: the name becomes that of its files.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$`)

// maxTrialCerts bounds how many certificates one command makes.
const maxTrialCerts = 1000

// trialCerts makes an authority, and a certificate for each holder that the flags of a command name as NAME[=MORE].
type trialCerts struct {
	holder  string // is the flag, and what messages call a holder: "node"
	example string // of a holder: "a=10.0.0.1"
	usage   string // of the flag
	// names returns what a certificate is for. Its error says what is wrong with the holder.
	names func(name, more string, given bool) ([]string, error)
}

// bind gives a command its flags and what it does.
func (c trialCerts) bind(a *app, cmd *cobra.Command) *cobra.Command {
	var out string
	var holders []string
	var lifetime time.Duration
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "folder for the files; created when missing")
	f.StringArrayVar(&holders, c.holder, nil, c.usage)
	f.DurationVar(&lifetime, "lifetime", 90*24*time.Hour, "how long the certificates are valid")
	cmd.RunE = func(*cobra.Command, []string) error {
		if out == "" {
			return usagef("--out is missing: pass a folder for the files")
		}
		files, err := c.issue(holders, lifetime)
		if err != nil {
			return err
		}
		return a.writeNewFiles(out, files)
	}
	return cmd
}

// issue returns the files: the authority's certificate, and the certificate and key of each holder.
func (c trialCerts) issue(holders []string, lifetime time.Duration) (map[string][]byte, error) {
	switch {
	case len(holders) == 0:
		return nil, usagef("--%s is missing: pass one for each %[1]s, such as --%[1]s %s", c.holder, c.example)
	case len(holders) > maxTrialCerts:
		return nil, usagef("%d %ss are more than %d", len(holders), c.holder, maxTrialCerts)
	case lifetime <= 0:
		return nil, usagef("--lifetime %s is not positive", lifetime)
	}
	authority, err := raftstore.NewAuthority(lifetime)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"ca.pem": authority.Certificate()}
	for _, holder := range holders {
		name, more, given := strings.Cut(holder, "=")
		if !nodeName.MatchString(name) || name == "ca" {
			return nil, usagef("--%s %q: a name has letters, digits, '-' and '.', and is not \"ca\"", c.holder, holder)
		}
		names, err := c.names(name, more, given)
		if err != nil {
			return nil, usagef("--%s %q: %v", c.holder, holder, err)
		}
		cert, key := name+".pem", name+"-key.pem"
		if files[cert] != nil || files[key] != nil {
			return nil, usagef("--%s %q is given twice, or takes the name of another's file", c.holder, holder)
		}
		if files[cert], files[key], err = authority.Issue(name, names...); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// writeNewFiles writes files that must not exist, all or none.
func (a *app) writeNewFiles(dir string, files map[string][]byte) error {
	for name := range files {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, fmt.Errorf("write certificates: %s exists; pass another --out, or remove it", filepath.Join(dir, name)))
		}
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	for name, data := range files {
		file, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
		_, err = file.Write(data)
		if err := errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	a.talkf("wrote %d files to %s; they are for trials", len(files), dir)
	return nil
}
