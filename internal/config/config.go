// Package config sets the flags of a command line that its user did not give:
// from MUSTER_ environment variables, and from one strict YAML file. A flag
// given on the command line wins over the environment, and that over the file.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Prefix begins the environment variable of every flag: --log-group is
// MUSTER_LOG_GROUP.
const Prefix = "MUSTER_"

// notSettable are flags that make no sense outside a command line.
var notSettable = []string{"help", "config", "version"}

// Variable is the environment variable of a flag.
func Variable(flag string) string {
	return Prefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// Apply sets what is not set in flags from the environment and from the file at
// path ("" for none). known says which other flag names the file may hold: the
// same file serves every command. A name that no command has is an error, since
// a misspelled setting that is passed over is worse than none.
func Apply(flags *pflag.FlagSet, path string, getenv func(string) string, known func(string) bool) error {
	settings, err := read(path)
	if err != nil {
		return err
	}
	for name := range settings {
		if flags.Lookup(name) == nil && !known(name) || slices.Contains(notSettable, name) {
			return fmt.Errorf("%s: there is no setting %q: settings are named as the flags are", path, name)
		}
	}
	var errs []error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed || slices.Contains(notSettable, f.Name) {
			return
		}
		if v := getenv(Variable(f.Name)); v != "" {
			errs = append(errs, set(flags, f, []string{v}, Variable(f.Name)))
			return
		}
		if vs, ok := settings[f.Name]; ok {
			errs = append(errs, set(flags, f, vs, path+": "+f.Name))
		}
	})
	return errors.Join(errs...)
}

func set(flags *pflag.FlagSet, f *pflag.Flag, values []string, where string) error {
	for _, v := range values {
		if err := flags.Set(f.Name, v); err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
	}
	return nil
}

// read parses the file: a mapping from flag names to a scalar or a list of them.
func read(path string) (map[string][]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	var doc map[string]yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration %s: %w", path, err)
	}
	settings := make(map[string][]string, len(doc))
	for name, node := range doc {
		var list []string
		switch node.Kind {
		case yaml.ScalarNode:
			list = []string{node.Value}
		case yaml.SequenceNode:
			if err := node.Decode(&list); err != nil {
				return nil, fmt.Errorf("configuration %s, line %d: %s: %w", path, node.Line, name, err)
			}
		default:
			return nil, fmt.Errorf("configuration %s, line %d: %s must be a value or a list of values", path, node.Line, name)
		}
		settings[name] = list
	}
	return settings, nil
}
