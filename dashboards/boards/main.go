// Command boards writes ../opensearch/muster.ndjson, the saved objects for
// OpenSearch Dashboards, from the boards in this folder: the objects hold JSON
// in JSON in text, which nobody should edit by hand. Run it by go generate.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/dashboards"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "boards:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: boards FILE")
	}
	text, err := generate()
	if err != nil {
		return err
	}
	states, err := shipped(filepath.Join(filepath.Dir(args[0]), "shipped.txt"), text)
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(args[0], text, 0o644), states())
}

// shipped adds the states of the objects to the list of all that were shipped.
func shipped(path string, text []byte) (write func() error, err error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	objects, err := dashboards.ParseObjects(text)
	if err != nil {
		return nil, err
	}
	lines := strings.FieldsFunc(string(old), func(r rune) bool { return r == '\n' })
	for i := range objects {
		lines = append(lines, objects[i].String()+" "+objects[i].Fingerprint())
	}
	slices.Sort(lines)
	all := strings.Join(slices.Compact(lines), "\n") + "\n"
	return func() error { return os.WriteFile(path, []byte(all), 0o644) }, nil
}

// generate is the file: one saved object a line, what is referred to first.
func generate() ([]byte, error) {
	var b bytes.Buffer
	for _, o := range append(indexPatterns(), append(overview().objects(), audit().objects()...)...) {
		line, err := encode(o)
		if err != nil {
			return nil, err
		}
		b.Write(line)
	}
	return b.Bytes(), nil
}
