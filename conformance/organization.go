package conformance

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Organization is a model and tuples of a real organization, with checks and lists.
type Organization struct {
	Model  string
	Tuples []SuiteTuple
	Checks []OrganizationCheck
	Lists  []OrganizationList
}

// OrganizationCheck is a check with its answer.
type OrganizationCheck struct {
	SuiteTuple
	Allowed bool
}

// OrganizationList is a ListObjects or ListUsers question with its answer.
type OrganizationList struct {
	List     string   `json:"list"` // "objects" or "users"
	Type     string   `json:"type"`
	Relation string   `json:"relation"`
	User     string   `json:"user"`
	Object   string   `json:"object"`
	UserType string   `json:"user_type"`
	Expect   []string `json:"expect"`
}

// ReadOrganization reads model.fga, tuples.csv, checks.csv and lists.jsonl from a folder.
func ReadOrganization(dir string) (*Organization, error) {
	model, err := os.ReadFile(filepath.Join(dir, "model.fga"))
	if err != nil {
		return nil, err
	}
	o := &Organization{Model: string(model)}
	err = readCSV(filepath.Join(dir, "tuples.csv"), []string{"user_type", "user_id", "user_relation", "relation", "object_type", "object_id"}, func(f []string) error {
		user := f[0] + ":" + f[1]
		if f[2] != "" {
			user += "#" + f[2]
		}
		o.Tuples = append(o.Tuples, SuiteTuple{User: user, Relation: f[3], Object: f[4] + ":" + f[5]})
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = readCSV(filepath.Join(dir, "checks.csv"), []string{"object", "relation", "user", "allowed"}, func(f []string) error {
		allowed, err := strconv.ParseBool(f[3])
		o.Checks = append(o.Checks, OrganizationCheck{SuiteTuple{Object: f[0], Relation: f[1], User: f[2]}, allowed})
		return err
	})
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "lists.jsonl"))
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		decoder := json.NewDecoder(bytes.NewReader(line))
		decoder.DisallowUnknownFields()
		var list OrganizationList
		if err := decoder.Decode(&list); err != nil {
			return nil, fmt.Errorf("read lists.jsonl: %w", err)
		}
		o.Lists = append(o.Lists, list)
	}
	return o, nil
}

// readCSV calls f for every record of a file whose header is as expected.
func readCSV(path string, header []string, f func([]string) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if len(records) == 0 || !slices.Equal(records[0], header) {
		return fmt.Errorf("read %s: the header is not %v", path, header)
	}
	for i, record := range records[1:] {
		if err := f(record); err != nil {
			return fmt.Errorf("read %s: record %d: %w", path, i+2, err)
		}
	}
	return nil
}

// Translated is a test of another system, translated to an OpenFGA model.
type Translated struct {
	Name     string          `json:"name"`
	Source   string          `json:"source"`
	Model    json.RawMessage `json:"model"`
	ModelDSL string          `json:"model_dsl"`
	Tuples   []SuiteTuple    `json:"tuples"`
	Checks   []struct {
		Object   string `json:"object"`
		Relation string `json:"relation"`
		User     string `json:"user"`
		Expected bool   `json:"expected"`
		// UsersetSubject says that User is a userset; it is for people.
		UsersetSubject bool `json:"userset_subject"`
	} `json:"checks"`
	ListObjects []struct {
		Type     string   `json:"type"`
		Relation string   `json:"relation"`
		User     string   `json:"user"`
		Objects  []string `json:"objects"`
	} `json:"list_objects"`
}

// ReadTranslated reads one file.
func ReadTranslated(path string) (*Translated, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	var t Translated
	if err := decoder.Decode(&t); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &t, nil
}

// ReadTranslatedFolder reads every file of a folder but its index.
func ReadTranslatedFolder(dir string) ([]*Translated, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var tests []*Translated
	for _, path := range paths {
		if filepath.Base(path) == "INDEX.json" {
			continue
		}
		test, err := ReadTranslated(path)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	return tests, nil
}
