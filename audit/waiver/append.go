package waiver

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"muster/fleet"
)

// Append adds a waiver of one finding to the text of a file of waivers, which may
// be empty; what is in it stays, with its comments. It holds until the moment
// until, which is the end of a day in UTC. The answer is read back before it is
// returned: a file that muster audit would refuse is an error.
func Append(file string, text []byte, f *fleet.Finding, owner, reason string, until time.Time) ([]byte, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		text = []byte("waivers: []\n")
	}
	had, err := Parse(file, text)
	if err != nil {
		return nil, fmt.Errorf("nothing was added: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	entry := &yaml.Node{Kind: yaml.MappingNode}
	for _, field := range [][2]string{
		{"id", freeID(had, "finding-"+f.Fingerprint[:min(len(f.Fingerprint), 12)])},
		{"owner", owner},
		{"reason", reason},
		{"policy", f.Policy},
		{"fingerprint", f.Fingerprint},
	} {
		entry.Content = append(entry.Content, scalar(field[0]), scalar(field[1]))
	}
	last := scalar(until.Add(-time.Nanosecond).UTC().Format(time.DateOnly))
	last.Tag = "!!timestamp" // else it is written in quotes
	entry.Content = append(entry.Content, scalar("expires"), last)
	top := doc.Content[0].Content
	for i := 0; i+1 < len(top); i += 2 {
		if top[i].Value == "waivers" {
			top[i+1].Style = 0 // "[]" cannot grow
			top[i+1].Content = append(top[i+1].Content, entry)
		}
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&doc); err != nil {
		return nil, err
	}
	now, err := Parse(file, out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("nothing was added: %w", err)
	}
	if len(now) != len(had)+1 || now[len(had)].Owner != owner || now[len(had)].Reason != reason {
		return nil, fmt.Errorf("%s: nothing was added: the waiver would not be read as it is meant; write it by hand", file)
	}
	return out.Bytes(), nil
}

func scalar(value string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}
}

// freeID is an id that no waiver has.
func freeID(ws []Waiver, id string) string {
	taken := func(id string) bool { return slices.ContainsFunc(ws, func(w Waiver) bool { return w.ID == id }) }
	free := id
	for n := 2; taken(free); n++ {
		free = id + "-" + strconv.Itoa(n)
	}
	return free
}
