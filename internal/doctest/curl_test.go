package doctest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain plays curl where the test's binary is called so: pages ask servers by curl, and not every machine has it.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "curl" {
		if err := curl(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "curl:", err)
			os.Exit(22)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// provideCurl puts the test's binary into a folder as curl where the machine has none.
func provideCurl(folder string) error {
	if _, err := exec.LookPath("curl"); err == nil {
		return nil
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return os.Symlink(self, filepath.Join(folder, "curl"))
}

// curl sends one request as curl does, with the options that pages use and no others.
func curl(args []string) error {
	var method, url, user string
	var fails bool
	var data []string
	headers := http.Header{}
	for i := 0; i < len(args); i++ {
		value := func() string {
			if i++; i < len(args) {
				return args[i]
			}
			return ""
		}
		switch arg := args[i]; arg {
		case "-s", "-S", "-sS":
		case "-f", "-sf", "--fail-with-body":
			fails = true
		case "-X":
			method = value()
		case "-u":
			user = value()
		case "-H":
			name, text, _ := strings.Cut(value(), ":")
			headers.Add(name, strings.TrimSpace(text))
		case "-d", "--data-binary":
			text := value()
			if text == "@-" {
				all, err := io.ReadAll(os.Stdin)
				if err != nil {
					return err
				}
				text = string(all)
			}
			data = append(data, text)
		default:
			if strings.HasPrefix(arg, "-") || url != "" {
				return fmt.Errorf("%s is not known here: add it to internal/doctest/curl_test.go", arg)
			}
			url = arg
		}
	}
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	if method == "" {
		if method = http.MethodGet; data != nil {
			method = http.MethodPost
		}
	}
	request, err := http.NewRequest(method, url, strings.NewReader(strings.Join(data, "&")))
	if err != nil {
		return err
	}
	if data != nil {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, values := range headers {
		request.Header[name] = values
	}
	if name, password, given := strings.Cut(user, ":"); given {
		request.SetBasicAuth(name, password)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if fails && answer.StatusCode >= 400 {
		return errors.New(answer.Status)
	}
	return nil
}
