package main

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// The tests' own binary is built from modules too.
func TestWrite(t *testing.T) {
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := write(b, path, "v1"); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same binary is described in two ways")
	}
	var bom struct {
		BOMFormat  string
		Metadata   struct{ Component struct{ Version string } }
		Components []struct {
			Name, Version string
			Hashes        []struct{ Content string }
		}
	}
	if err := json.Unmarshal(first.Bytes(), &bom); err != nil {
		t.Fatal(err)
	}
	if bom.BOMFormat != "CycloneDX" || bom.Metadata.Component.Version != "v1" {
		t.Errorf("got %+v", bom)
	}
	found := false
	for _, c := range bom.Components {
		if c.Name == "github.com/CycloneDX/cyclonedx-go" {
			found = c.Version != "" && len(c.Hashes) == 1 && len(c.Hashes[0].Content) == 64
		}
	}
	if !found {
		t.Errorf("what the binary is built from is not there: %s", &first)
	}
	if err := write(&first, "main_test.go", "v1"); err == nil {
		t.Error("what is no binary was described")
	}
}
