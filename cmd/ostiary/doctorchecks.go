package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ostiary/ostiary/internal/reload"
	"github.com/ostiary/ostiary/storage"
)

// What the doctor holds for too little, or too slow.
const (
	warnFreeBytes   = 2 << 30
	faultFreeBytes  = 256 << 20 // raftstore's reserve
	warnSync        = 10 * time.Millisecond
	faultSync       = 200 * time.Millisecond
	syncsMeasured   = 16
	wantedOpenFiles = 16_384
	warnCertificate = 30 * 24 * time.Hour
	patience        = 3 * time.Second // for whatever answers over the network
)

func checkSettings(_ context.Context, flags serveFlags) []finding {
	if _, err := flags.judge(io.Discard); err != nil {
		return []finding{fault("settings", "serve would not start", "%v", err)}
	}
	return []finding{fine("settings", "they go together")}
}

// checkFolder looks at the data folder: who may read it, how much room there is, and how long a sync takes.
func checkFolder(_ context.Context, flags serveFlags) []finding {
	dir, there := flags.dataDir, true
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		there = false
		dir = existingParent(dir)
		info, err = os.Stat(dir)
	}
	switch {
	case err != nil:
		return []finding{fault("data folder", "", "%v", err)}
	case !info.IsDir():
		return []finding{fault("data folder", "choose another --data-dir", "%s is no folder", dir)}
	}
	var all []finding
	switch {
	case !there:
		all = append(all, fine("data folder", "%s is not there yet: serve makes it", flags.dataDir))
	case info.Mode().Perm()&0o077 != 0:
		all = append(all, warning("data folder", "chmod 700 "+dir, "others of this machine may look into %s (%s)", dir, info.Mode().Perm()))
	default:
		all = append(all, fine("data folder", "%s", dir))
	}
	return append(all, checkFree(dir), checkSync(dir))
}

// existingParent returns the nearest folder above a path that is there.
func existingParent(path string) string {
	path, _ = filepath.Abs(path)
	for {
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path
		}
		path = filepath.Dir(path)
	}
}

func checkFree(dir string) finding {
	free, err := storage.FreeBytes(nil, dir)
	switch size := byteSize(free >> 20 << 20); {
	case err != nil:
		return warning("disk space", "", "%v", err)
	case free < faultFreeBytes:
		return fault("disk space", "docs/runbooks/disk-full.md", "%s free: writes are refused", &size)
	case free < warnFreeBytes:
		return warning("disk space", "docs/runbooks/disk-full.md", "%s free", &size)
	default:
		return fine("disk space", "%s free", &size)
	}
}

// checkSync measures what an acknowledged write waits for.
func checkSync(dir string) finding {
	file, err := os.CreateTemp(dir, ".ostiary-doctor-*")
	if err != nil {
		return fault("disk sync", "the user of the server must be able to write there", "%v", err)
	}
	defer os.Remove(file.Name())
	defer file.Close()
	took := make([]time.Duration, syncsMeasured)
	for i := range took {
		begun := time.Now()
		_, err := file.WriteAt(make([]byte, 4096), 0)
		if err == nil {
			err = file.Sync()
		}
		if err != nil {
			return fault("disk sync", "", "%v", err)
		}
		took[i] = time.Since(begun)
	}
	slices.Sort(took)
	median := took[len(took)/2].Round(10 * time.Microsecond)
	switch {
	case median > faultSync:
		return fault("disk sync", "use a disk of its own, not one over a network", "a sync takes %s at the median, and every write waits for one", median)
	case median > warnSync:
		return warning("disk sync", "a faster disk makes writes faster", "a sync takes %s at the median, and every write waits for one", median)
	default:
		return fine("disk sync", "a sync takes %s at the median", median)
	}
}

func checkMemory(_ context.Context, flags serveFlags) []finding {
	machine := machineMemory(os.DirFS("/"))
	plan, err := planMemory(flags.memoryLimit, flags.cacheSize, machine)
	of, total := byteSize(machine>>20<<20), byteSize(0)
	if err != nil {
		return []finding{fault("memory", "", "%v", err)}
	}
	total = byteSize(plan.total >> 20 << 20)
	if plan.total > machine {
		return []finding{fault("memory", "lower --memory-limit, or the kernel ends the process", "it would take up to %s of %s", &total, &of)}
	}
	return []finding{fine("memory", "it takes up to %s of %s", &total, &of)}
}

func checkOpenFiles(context.Context, serveFlags) []finding {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return []finding{warning("open files", "", "the limit cannot be read: %v", err)}
	}
	if limit.Cur < wantedOpenFiles { // Go raises the soft limit to the hard one
		return []finding{warning("open files", "raise it: LimitNOFILE= of the unit, or ulimit -n", "the limit is %d, and each connection and table takes one", limit.Cur)}
	}
	return []finding{fine("open files", "the limit is %d", limit.Cur)}
}

// checkCertificate looks at what the port between nodes shows.
func checkCertificate(_ context.Context, flags serveFlags) []finding {
	s := flags.cluster.security
	if s.cert == "" || s.key == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(s.cert, s.key)
	if err != nil {
		return []finding{fault("certificate", "docs/runbooks/certificates.md", "%v", err)}
	}
	authority := x509.NewCertPool()
	text, err := os.ReadFile(s.ca)
	if err != nil || !authority.AppendCertsFromPEM(text) {
		return []finding{fault("certificate", "docs/runbooks/certificates.md", "--cluster-ca %s holds no certificate of an authority (%v)", s.ca, err)}
	}
	host := flags.cluster.advertise
	if host == "" {
		host = flags.cluster.addr
	}
	host, _, _ = net.SplitHostPort(host)
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = ""
	}
	leaf := pair.Leaf
	_, err = leaf.Verify(x509.VerifyOptions{Roots: authority, DNSName: host, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	left := time.Until(leaf.NotAfter).Round(time.Hour)
	switch {
	case err != nil:
		return []finding{fault("certificate", "docs/runbooks/certificates.md", "%v", err)}
	case left < warnCertificate:
		return []finding{warning("certificate", "docs/runbooks/certificates.md", "%s ends in %s", s.cert, left)}
	default:
		return []finding{fine("certificate", "%s is good until %s", s.cert, leaf.NotAfter.Format(time.DateOnly))}
	}
}

// checkSecrets looks at who else may read files with secrets.
func checkSecrets(_ context.Context, flags serveFlags) []finding {
	var all []finding
	seen := map[string]bool{"": true}
	for _, path := range []string{
		flags.authn.file, flags.authn.named, flags.identityKeys, flags.cluster.security.key,
		flags.tls.pair.key, flags.tls.grpc.pair.key, flags.tls.http.pair.key,
	} {
		if seen[path] {
			continue
		}
		seen[path] = true
		info, err := os.Stat(path)
		switch {
		case err != nil:
			all = append(all, fault("secrets", "", "%v", err))
		case info.Mode().Perm()&0o007 != 0:
			all = append(all, warning("secrets", "chmod o= "+path, "everybody on this machine may read %s (%s)", path, info.Mode().Perm()))
		default:
			all = append(all, fine("secrets", "%s is not for everybody", path))
		}
	}
	return all
}

// checkPeers calls the other nodes that it is told of.
func checkPeers(ctx context.Context, flags serveFlags) []finding {
	var all []finding
	for _, peer := range flags.cluster.join {
		bounded, cancel := context.WithTimeout(ctx, patience)
		conn, err := (&net.Dialer{}).DialContext(bounded, "tcp", peer)
		cancel()
		if err != nil {
			all = append(all, warning("other nodes", "start it, or open the way to it", "%s does not answer: %v", peer, err))
			continue
		}
		conn.Close()
		all = append(all, fine("other nodes", "%s answers", peer))
	}
	return all
}

// checkServer asks the server of these settings, where it runs, and otherwise whether its addresses are free.
func checkServer(ctx context.Context, flags serveFlags) []finding {
	shows, _, _ := flags.tls.judge(nil) // what is at fault checkSettings tells
	state, err := ask(ctx, shows.http, callable(flags.httpAddr)+"/readyz")
	if err != nil {
		all := []finding{fine("server", "none answers at %s", flags.httpAddr)}
		for _, own := range []struct{ flag, address string }{
			{"--grpc-addr", flags.grpcAddr}, {"--http-addr", flags.httpAddr}, {"--cluster-addr", flags.cluster.addr},
		} {
			if own.address == "" {
				continue
			}
			listener, err := net.Listen("tcp", own.address)
			if err != nil {
				all = append(all, fault("addresses", "choose another, or end what has it", "%s: %v", own.flag, err))
				continue
			}
			listener.Close()
		}
		return all
	}
	var all []finding
	if state.status == http.StatusOK {
		all = append(all, fine("server", "it is ready: %s", strings.TrimSpace(state.body)))
	} else {
		all = append(all, fault("server", "docs/runbooks/not-ready.md", "it is not ready: %s", strings.TrimSpace(state.body)))
	}
	if flags.adminAddr == "" {
		return all
	}
	figures, err := ask(ctx, shows.admin, callable(flags.adminAddr)+"/metrics")
	if err != nil || figures.status != http.StatusOK {
		return append(all, warning("metrics", "--admin-addr says where they are", "none at %s", flags.adminAddr))
	}
	return append(all, checkFigures(figures.body)...)
}

// checkFigures judges the metrics of a server.
func checkFigures(text string) []finding {
	figure := func(name string) (float64, bool) {
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(line, name+" "); ok {
				f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
				return f, err == nil
			}
		}
		return 0, false
	}
	var all []finding
	if n, ok := figure("ostiary_identity_gate_off"); ok && n > 0 {
		all = append(all, warning("gates", "docs/runbooks/identity.md", "%.0f stores let people in whom an identity provider has disabled", n))
	}
	if n, ok := figure("ostiary_node_writable"); ok && n == 0 {
		all = append(all, fault("writes", "docs/runbooks/disk-full.md", "the server refuses writes for want of disk space"))
	}
	if n, ok := figure("ostiary_raft_apply_lag_entries"); ok && n > 10_000 {
		all = append(all, warning("applying", "docs/runbooks/slow-follower.md", "%.0f entries wait to be applied", n))
	}
	if len(all) == 0 {
		all = append(all, fine("metrics", "nothing unusual"))
	}
	return all
}

// callable turns an address to listen on into one to call.
func callable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}

type answer struct {
	status int
	body   string
}

// ask asks a server of these settings. One that shows a pair must show that of the files: no name is judged.
func ask(ctx context.Context, pair *reload.Pair, address string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	transport := &http.Transport{TLSClientConfig: onlyShowing(pair)}
	defer transport.CloseIdleConnections()
	url := schemeOf(pair) + address
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return answer{}, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return answer{}, fmt.Errorf("read %s: %w", url, err)
	}
	return answer{resp.StatusCode, string(body)}, nil
}
