package deploy

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	corev1 "k8s.io/api/core/v1"
)

// program runs the built binary, with these variables beside none of its own.
func program(t *testing.T, variables []string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("../bin/ostiary", args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "OSTIARY_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, variables...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("ostiary %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// secrets makes what guides/deploy.md has people make, under names of each manifest.
func secrets(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	at := func(name string) string { return filepath.Join(folder, name) }
	program(t, nil, "cluster", "certs", "--out", at("made/cluster"), "--node", "operator", "--node", "node=ostiary-0.ostiary-peers")
	program(t, nil, "cluster", "certs", "--out", at("made/tls"), "--node", "server=ostiary.ostiary.svc")
	for to, from := range map[string]string{
		"cluster/ca.crt": "made/cluster/ca.pem", "cluster/tls.crt": "made/cluster/node.pem", "cluster/tls.key": "made/cluster/node-key.pem",
		"tls/tls.crt": "made/tls/server.pem", "tls/tls.key": "made/tls/server-key.pem",
		"tls/server.pem": "made/tls/server.pem", "tls/server-key.pem": "made/tls/server-key.pem",
	} {
		if err := os.MkdirAll(filepath.Dir(at(to)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Link(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// keysAt writes a file of keys of callers.
func keysAt(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("ops the-key-of-operators\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// judge asks the program whether it would serve with these variables.
func judge(t *testing.T, variables []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(file, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program(t, variables, "config", "validate", file)
}

// TestSettingsOfTheSet: the program would serve with what the image and the set of Kubernetes say, and with the secrets that
// the set mounts; probes ask it by the scheme that it speaks.
func TestSettingsOfTheSet(t *testing.T) {
	pod := read(t).sets[0].Spec.Template.Spec
	container := pod.Containers[0]
	folder := secrets(t)
	keysAt(t, filepath.Join(folder, "keys/keys"))
	here := strings.NewReplacer("/etc/ostiary/", folder+"/", "$(POD_NAME)", "ostiary-0")
	variables := imageVariables(t)
	for i, v := range variables {
		variables[i] = here.Replace(v)
	}
	for _, arg := range container.Args[1:] {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		mounted := func(m corev1.VolumeMount) bool { return strings.HasPrefix(value, m.MountPath+"/") }
		if strings.HasPrefix(value, "/etc/") && !slices.ContainsFunc(container.VolumeMounts, mounted) {
			t.Errorf("%s is in nothing that is mounted", arg)
		}
		variables = append(variables, "OSTIARY_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+here.Replace(value))
	}
	judge(t, variables)
	for _, m := range container.VolumeMounts {
		named := func(v corev1.Volume) bool { return v.Name == m.Name }
		if m.Name != "data" && !slices.ContainsFunc(pod.Volumes, named) {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	for _, p := range []*corev1.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
		if p.HTTPGet.Scheme != corev1.URISchemeHTTPS {
			t.Errorf("the probe of %s asks over %q, and the nodes speak TLS", p.HTTPGet.Path, p.HTTPGet.Scheme)
		}
	}
}

// imageVariables are what the image sets.
func imageVariables(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	stages, _, err := instructions.Parse(tree.AST, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range stages[len(stages)-1].Commands {
		if env, ok := c.(*instructions.EnvCommand); ok {
			for _, v := range env.Env {
				all = append(all, v.String())
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("the image sets no variable")
	}
	return all
}

// TestSettingsOfTheUnit: the program would serve with what the unit says and the credentials that it loads.
func TestSettingsOfTheUnit(t *testing.T) {
	text, err := os.ReadFile("systemd/ostiary.service")
	if err != nil {
		t.Fatal(err)
	}
	etc := secrets(t)
	keysAt(t, filepath.Join(etc, "keys"))
	credentials := t.TempDir()
	for _, m := range regexp.MustCompile(`(?m)^LoadCredential=([\w-]+):/etc/ostiary/(\S+)$`).FindAllStringSubmatch(string(text), -1) {
		if err := os.Link(filepath.Join(etc, m[2]), filepath.Join(credentials, m[1])); err != nil {
			t.Fatal(err)
		}
	}
	var variables []string
	for _, m := range regexp.MustCompile(`(?m)^Environment=(.+)$`).FindAllStringSubmatch(string(text), -1) {
		variables = append(variables, strings.Fields(strings.ReplaceAll(m[1], "%d", credentials))...)
	}
	if len(variables) < 5 {
		t.Fatalf("read %d variables from the unit", len(variables))
	}
	judge(t, variables)
}
