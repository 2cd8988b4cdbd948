package waiver

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/audit/scene"
	"muster/fleet"
)

// Noise is how loud one policy is, and what would silence most of it.
type Noise struct {
	Policy   string `json:"policy"`
	Findings int    `json:"findings"`
	// Fires is how often the policy fired: the counts of its findings.
	Fires    int `json:"fires"`
	Waived   int `json:"waived"` // findings
	Resolved int `json:"resolved"`
	// Share is that of the waived among the findings that are not resolved, 0 to 1.
	Share float64 `json:"waived_share"`
	// PerDay is the fires of a day, from the first to the last of them and for at
	// least one day.
	PerDay float64 `json:"fires_per_day"`
	// Silences is how many fires that stand the waiver would cover; nil for a
	// policy without any.
	Silences int     `json:"silences"`
	Waiver   *Waiver `json:"-"`
	// Entry is the waiver in YAML, for its owner to fill in.
	Entry string `json:"entry"`
}

// Measure tells the noise of each policy from all findings of a store, the
// loudest first.
func Measure(fs []fleet.Finding, at func(*fleet.Finding) scene.Scene) []Noise {
	by := map[string][]fleet.Finding{}
	for _, f := range fs {
		if !ours(f.Policy) {
			by[f.Policy] = append(by[f.Policy], f)
		}
	}
	var out []Noise
	for policy, fs := range by {
		out = append(out, noise(policy, fs, at))
	}
	slices.SortFunc(out, func(a, b Noise) int {
		return cmp.Or(cmp.Compare(b.Fires, a.Fires), strings.Compare(a.Policy, b.Policy))
	})
	return out
}

func noise(policy string, fs []fleet.Finding, at func(*fleet.Finding) scene.Scene) Noise {
	n := Noise{Policy: policy, Findings: len(fs)}
	first, last := fs[0].FirstSeen, fs[0].LastSeen
	var standing []fleet.Finding
	for _, f := range fs {
		n.Fires += max(f.Count, 1)
		if f.FirstSeen.Before(first) {
			first = f.FirstSeen
		}
		if f.LastSeen.After(last) {
			last = f.LastSeen
		}
		switch f.Status {
		case fleet.StatusWaived:
			n.Waived++
		case fleet.StatusResolved:
			n.Resolved++
		default:
			standing = append(standing, f)
		}
	}
	if live := n.Findings - n.Resolved; live > 0 {
		n.Share = float64(n.Waived) / float64(live)
	}
	n.PerDay = float64(n.Fires) / max(1, last.Sub(first).Hours()/24)
	n.Waiver, n.Silences = silencer(policy, standing, at)
	if n.Waiver != nil {
		n.Entry = n.Waiver.entry()
	}
	return n
}

// silencer is the waiver that covers the most fires of a policy with one value
// of one field: a service, a resource, all of one kind in one account, or an
// account and region. Of those that cover as much, the narrowest.
func silencer(policy string, fs []fleet.Finding, at func(*fleet.Finding) scene.Scene) (*Waiver, int) {
	type choice struct {
		waiver Waiver
		fires  int
		width  int // the fields that are compared go from narrow to wide
	}
	choices := map[string]*choice{}
	note := func(width int, f *fleet.Finding, key string, w Waiver) {
		c := choices[key]
		if c == nil {
			w.Policies = []string{policy}
			c = &choice{waiver: w, width: width}
			choices[key] = c
		}
		c.fires += max(f.Count, 1)
	}
	for i := range fs {
		f := &fs[i]
		s := at(f)
		if f.Resource != "" {
			note(0, f, "r"+f.Resource, Waiver{Resources: []string{f.Resource}})
			if kind, _, ok := strings.Cut(f.Resource, "/"); ok && s.Account != "" && strings.HasPrefix(kind, "AWS::") {
				note(2, f, "k"+kind+" "+s.Account, Waiver{Resources: []string{kind + "/*"}, Accounts: []string{s.Account}})
			}
		}
		if f.Service != "" {
			note(1, f, "s"+f.Service, Waiver{Services: []string{f.Service}})
		}
		if s.Account != "" {
			note(3, f, "a"+s.Account+" "+s.Region, Waiver{Accounts: []string{s.Account}, Regions: some(s.Region)})
		}
		note(4, f, "f"+f.Fingerprint, Waiver{Fingerprints: []string{f.Fingerprint}})
	}
	keys := make([]string, 0, len(choices))
	for k := range choices {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b string) int {
		x, y := choices[a], choices[b]
		return cmp.Or(cmp.Compare(y.fires, x.fires), cmp.Compare(x.width, y.width), strings.Compare(a, b))
	})
	if len(keys) == 0 {
		return nil, 0
	}
	best := choices[keys[0]]
	return &best.waiver, best.fires
}

func some(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

// entry is a waiver in YAML, one line of a list, without what only people know.
func (w *Waiver) entry() string {
	var parts []string
	add := func(name string, values []string) {
		if len(values) > 0 {
			parts = append(parts, fmt.Sprintf("%s: %q", name, values[0]))
		}
	}
	add("policy", w.Policies)
	add("fingerprint", w.Fingerprints)
	add("resource", w.Resources)
	add("service", w.Services)
	add("account", w.Accounts)
	add("region", w.Regions)
	return "- {id: ?, owner: ?, reason: ?, " + strings.Join(parts, ", ") + ", expires: ?}"
}

// Grouped puts findings together that one person would look at at once: of one
// policy, seen within so long of each other, oldest first. A window of zero or
// less puts all of a policy together.
func Grouped(fs []fleet.Finding, window time.Duration) [][]fleet.Finding {
	fs = slices.Clone(fs)
	slices.SortFunc(fs, func(a, b fleet.Finding) int {
		return cmp.Or(strings.Compare(a.Policy, b.Policy), a.LastSeen.Compare(b.LastSeen), strings.Compare(a.Fingerprint, b.Fingerprint))
	})
	var out [][]fleet.Finding
	for i, f := range fs {
		if i > 0 && fs[i-1].Policy == f.Policy && (window <= 0 || f.LastSeen.Sub(fs[i-1].LastSeen) <= window) {
			out[len(out)-1] = append(out[len(out)-1], f)
			continue
		}
		out = append(out, []fleet.Finding{f})
	}
	return out
}
