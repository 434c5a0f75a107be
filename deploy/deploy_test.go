// Package deploy holds what runs Ostiary elsewhere: an image, a systemd unit, Kubernetes manifests. Its tests say whether
// the tools would take them, and whether they name flags and variables that the program has.
package deploy

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// settings are what `ostiary serve` can be told.
type settings struct{ flags, variables []string }

func settingsOf(t *testing.T) settings {
	t.Helper()
	out, err := exec.Command("../bin/ostiary", "serve", "--help").Output()
	if errors.Is(err, os.ErrNotExist) {
		t.Fatal("there is no ../bin/ostiary: make build first")
	}
	if err != nil {
		t.Fatal(err)
	}
	s := settings{
		flags:     regexp.MustCompile(`(?m)^ +(?:-\w, )?(--[\w-]+)`).FindAllString(string(out), -1),
		variables: regexp.MustCompile(`OSTIARY_[A-Z0-9_]+`).FindAllString(string(out), -1),
	}
	for i, flag := range s.flags {
		s.flags[i] = flag[strings.Index(flag, "--"):]
	}
	if len(s.flags) < 20 || len(s.variables) < 20 {
		t.Fatalf("read %d flags and %d variables from the help", len(s.flags), len(s.variables))
	}
	return s
}

func (s settings) judgeVariables(t *testing.T, file, text string) {
	t.Helper()
	for _, name := range regexp.MustCompile(`OSTIARY_[A-Z0-9_]+`).FindAllString(text, -1) {
		if !slices.Contains(s.variables, name) {
			t.Errorf("%s sets %s, which serve does not know", file, name)
		}
	}
}

func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	settingsOf(t).judgeVariables(t, "Dockerfile", string(text))
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	warn := func(rule, description, _, message string, where []parser.Range) {
		t.Errorf("line %d: %s: %s (%s)", where[0].Start.Line, rule, message, description)
	}
	stages, _, err := instructions.Parse(tree.AST, linter.New(&linter.Config{Warn: warn}))
	if err != nil {
		t.Fatal(err)
	}
	last := stages[len(stages)-1]
	if last.BaseName != "scratch" {
		t.Errorf("the image is made of %q, and not from scratch", last.BaseName)
	}
	user := ""
	for _, c := range last.Commands {
		switch c := c.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.RunCommand:
			t.Errorf("the image runs %v, and has nothing to run it with", c)
		}
	}
	if !regexp.MustCompile(`^[1-9]\d+:[1-9]\d+$`).MatchString(user) {
		t.Errorf("the image runs as %q: Kubernetes wants a number that is not root's", user)
	}
}

func TestService(t *testing.T) {
	const unit = "systemd/ostiary.service"
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	settingsOf(t).judgeVariables(t, unit, string(text))
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	// Where the binary is not installed, verify would say nothing else.
	binary, err := filepath.Abs("../bin/ostiary")
	if err != nil {
		t.Fatal(err)
	}
	here := filepath.Join(t.TempDir(), "ostiary.service")
	if err := os.WriteFile(here, bytes.ReplaceAll(text, []byte("/usr/local/bin/ostiary"), []byte(binary)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", here).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command("systemd-analyze", "security", "--offline=true", "--threshold=15", here).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// manifests are what kubernetes/ holds.
type manifests struct {
	sets     []appsv1.StatefulSet
	services []corev1.Service
	budgets  []policyv1.PodDisruptionBudget
	policies []networkingv1.NetworkPolicy
	accounts []corev1.ServiceAccount
}

// read decodes every manifest strictly: a field that Kubernetes does not have is an error.
func read(t *testing.T) manifests {
	t.Helper()
	var m manifests
	files, err := filepath.Glob("kubernetes/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, file := range files {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range bytes.Split(text, []byte("\n---\n")) {
			var head struct{ Kind string }
			if err := yaml.Unmarshal(document, &head); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			switch head.Kind {
			case "StatefulSet":
				m.sets = append(m.sets, strictly[appsv1.StatefulSet](t, file, document))
			case "Service":
				m.services = append(m.services, strictly[corev1.Service](t, file, document))
			case "PodDisruptionBudget":
				m.budgets = append(m.budgets, strictly[policyv1.PodDisruptionBudget](t, file, document))
			case "NetworkPolicy":
				m.policies = append(m.policies, strictly[networkingv1.NetworkPolicy](t, file, document))
			case "ServiceAccount":
				m.accounts = append(m.accounts, strictly[corev1.ServiceAccount](t, file, document))
			default:
				t.Errorf("%s has a %q, which this test does not know", file, head.Kind)
			}
		}
	}
	return m
}

func strictly[T any](t *testing.T, file string, document []byte) (object T) {
	t.Helper()
	if err := yaml.UnmarshalStrict(document, &object); err != nil {
		t.Errorf("%s: %v", file, err)
	}
	return object
}

func TestKubernetes(t *testing.T) {
	m := read(t)
	if len(m.sets) != 1 || len(m.budgets) != 1 || len(m.policies) != 1 || len(m.accounts) != 1 || len(m.services) != 2 {
		t.Fatalf("%d sets, %d budgets, %d policies, %d accounts, %d services", len(m.sets), len(m.budgets), len(m.policies), len(m.accounts), len(m.services))
	}
	set := m.sets[0]
	pod := set.Spec.Template
	selects := func(what string, selector map[string]string) {
		t.Helper()
		for name, value := range selector {
			if pod.Labels[name] != value {
				t.Errorf("%s selects %s=%s, and the pods have %q", what, name, value, pod.Labels[name])
			}
		}
		if len(selector) == 0 {
			t.Errorf("%s selects everything", what)
		}
	}
	selects("the set", set.Spec.Selector.MatchLabels)
	selects("the budget", m.budgets[0].Spec.Selector.MatchLabels)
	selects("the policy", m.policies[0].Spec.PodSelector.MatchLabels)
	container := pod.Spec.Containers[0]
	var ports []string
	for _, p := range container.Ports {
		ports = append(ports, p.Name)
	}
	governed := false
	for _, service := range m.services {
		selects(service.Name, service.Spec.Selector)
		governed = governed || service.Name == set.Spec.ServiceName
		for _, p := range service.Spec.Ports {
			if !slices.Contains(ports, p.TargetPort.String()) {
				t.Errorf("service %s sends to port %s, of %v", service.Name, p.TargetPort.String(), ports)
			}
		}
	}
	if !governed {
		t.Errorf("there is no service %s for the names of the pods", set.Spec.ServiceName)
	}
	for _, rule := range m.policies[0].Spec.Ingress {
		for _, p := range rule.Ports {
			if !slices.Contains(ports, p.Port.String()) {
				t.Errorf("the policy lets port %s in, of %v", p.Port.String(), ports)
			}
		}
	}
	if m.accounts[0].Name != pod.Spec.ServiceAccountName {
		t.Errorf("the pods use the account %s", pod.Spec.ServiceAccountName)
	}
	if *set.Spec.Replicas != 3 || m.budgets[0].Spec.MaxUnavailable.IntValue() != 1 {
		t.Errorf("of %d nodes %s may be away", *set.Spec.Replicas, m.budgets[0].Spec.MaxUnavailable)
	}
	s := container.SecurityContext
	if !*pod.Spec.SecurityContext.RunAsNonRoot || !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Contains(s.Capabilities.Drop, "ALL") {
		t.Error("the container may do more than it needs")
	}
	if container.LivenessProbe == nil || container.ReadinessProbe == nil || container.StartupProbe == nil {
		t.Error("a probe is missing")
	}
	known := settingsOf(t)
	for _, arg := range container.Args[1:] {
		if flag, _, _ := strings.Cut(arg, "="); !slices.Contains(known.flags, flag) {
			t.Errorf("serve has no flag %s", flag)
		}
	}
	for _, v := range container.Env {
		known.judgeVariables(t, "the set", v.Name)
	}
}

// TestKustomization: kubectl renders the manifests where it is there, and nothing is left out of the list.
func TestKustomization(t *testing.T) {
	var k struct{ Resources []string }
	text, err := os.ReadFile("kubernetes/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &k); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("kubernetes/*.yaml")
	for _, file := range files {
		if name := filepath.Base(file); name != "kustomization.yaml" && !slices.Contains(k.Resources, name) {
			t.Errorf("%s is not in the kustomization", name)
		}
	}
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("there is no kubectl here")
	}
	cmd := exec.Command("kubectl", "kustomize", "kubernetes")
	cmd.Stdout = io.Discard
	if err := cmd.Run(); err != nil {
		t.Errorf("kubectl kustomize: %v", err)
	}
}
