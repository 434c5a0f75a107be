package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Attackers come from elsewhere: what they do costs the server its cores, and what it costs themselves must not. So
// they are a process of their own, with the lowest priority.

// attacker is where those of one sort find what they attack.
type attacker struct {
	Sort         string // of abuse
	Nodes        []target
	Authority    string // the file with the certificate that servers show theirs by
	Guest        string // the key of a caller who may read
	Wide         string // the store with long lists
	Silent, Slow int
	Length       time.Duration

	trust *tls.Config
}

// target is where a node listens.
type target struct{ GRPC, HTTP string }

// attackWord is the argument with which this program is attackers, of whom it reads on its standard input.
const attackWord = "attack"

// lowestPriority is the program, and its arguments, that runs another with the lowest priority.
var lowestPriority = []string{"nice", "-n", "19"}

// attack lets attackers of one sort come for a while, and returns what they say of it.
func (t *trial) attack(ctx context.Context, sort string, length time.Duration) (note string, err error) {
	a := attacker{Sort: sort, Authority: t.cluster.file("ca.pem"), Guest: t.cluster.guest, Wide: t.scene.wide, Silent: t.silent, Slow: t.slow, Length: length}
	for _, n := range t.cluster.nodes {
		a.Nodes = append(a.Nodes, target{GRPC: n.grpc, HTTP: n.http})
	}
	orders, err := json.Marshal(a)
	if err != nil {
		return "", err
	}
	program, err := os.Executable()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, lowestPriority[0], append(lowestPriority[1:], program, attackWord)...) //nolint:gosec // this program
	command.Stdin = bytes.NewReader(orders)
	var faults strings.Builder
	command.Stderr = &faults
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("attackers: %w: %s", err, faults.String())
	}
	return string(out), nil
}

// beAttackers does what the orders say, and writes what came of it.
func beAttackers(ctx context.Context, orders io.Reader, out io.Writer) error {
	var a attacker
	if err := json.NewDecoder(orders).Decode(&a); err != nil {
		return fmt.Errorf("read the orders: %w", err)
	}
	authority, err := os.ReadFile(a.Authority)
	if err != nil {
		return err
	}
	a.trust = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
	if !a.trust.RootCAs.AppendCertsFromPEM(authority) {
		return errors.New("the authority of the servers is no certificate")
	}
	chosen, err := chooseAbuses(a.Sort)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, a.Length)
	defer cancel()
	note, err := chosen[0].run(ctx, &a)
	if err != nil {
		return err
	}
	_, err = io.WriteString(out, note)
	return err
}

// arrival is when the i-th of so many attackers comes: one after the other, over half of the time.
func (a *attacker) arrival(i, of int) time.Duration {
	return time.Duration(float64(a.Length) / 2 * float64(i) / float64(of))
}
