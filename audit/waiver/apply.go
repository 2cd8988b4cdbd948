package waiver

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"muster/audit/scene"
	"muster/fleet"
)

// Concern are the findings whose evidence Apply has to be told: those that a
// waiver may cover, as far as the findings themselves tell.
func Concern(ws []Waiver, fs []fleet.Finding) []fleet.Finding {
	return slices.DeleteFunc(slices.Clone(fs), func(f fleet.Finding) bool {
		return !slices.ContainsFunc(ws, func(w Waiver) bool { return w.placed() && w.near(&f) })
	})
}

// NeedTags reports whether a waiver asks for the tags of resources.
func NeedTags(ws []Waiver) bool {
	return slices.ContainsFunc(ws, func(w Waiver) bool { return len(w.Tags) > 0 })
}

// Input is what waivers are held against.
type Input struct {
	Waivers []Waiver
	// Found are the findings of this run, and Known all that the store had before.
	Found, Known []fleet.Finding
	// Scene tells where a finding happened.
	Scene func(*fleet.Finding) scene.Scene
	Now   time.Time
}

// Result is what waivers make of a run's findings.
type Result struct {
	// Findings are those of the run with their status, then the known ones whose
	// status the waivers change, then what is wrong with the waivers themselves.
	Findings []fleet.Finding
	// Waived says by fingerprint who waived, until when and why.
	Waived map[string]string
}

// Apply gives the findings that a waiver covers the status waived. One that was
// waived, and is so no longer, is open again: the files are the only word. A
// waiver that is expired, covers nothing, or covers too much is a finding itself.
func Apply(in Input) Result {
	r := Result{Waived: map[string]string{}}
	used := make([]bool, len(in.Waivers))
	status := func(f *fleet.Finding) fleet.Status {
		w := in.cover(f, used)
		switch {
		case f.Status == fleet.StatusResolved:
		case w != nil:
			r.Waived[f.Fingerprint] = w.String()
			return fleet.StatusWaived
		case f.Status == fleet.StatusWaived:
			return fleet.StatusOpen
		}
		return f.Status
	}
	seen := map[string]bool{}
	for _, f := range in.Found {
		seen[f.Fingerprint] = true
		f.Status = status(&f)
		r.Findings = append(r.Findings, f)
	}
	for _, f := range in.Known {
		if s := f.Status; !seen[f.Fingerprint] && !ours(f.Policy) {
			if f.Status = status(&f); f.Status != s {
				r.Findings = append(r.Findings, f)
			}
		}
	}
	r.Findings = append(r.Findings, in.faults(used)...)
	return r
}

// cover is the waiver that covers a finding, nil for none. It notes every waiver
// that would, so that one that is expired or has an older twin counts as used.
func (in *Input) cover(f *fleet.Finding, used []bool) *Waiver {
	var by *Waiver
	var s *scene.Scene
	for i := range in.Waivers {
		w := &in.Waivers[i]
		if !w.near(f) {
			continue
		}
		if s == nil {
			at := in.Scene(f)
			s = &at
		}
		if !w.meets(f, s) {
			continue
		}
		used[i] = true
		if by == nil && !w.Expired(in.Now) && w.young(f, in.Now) {
			by = w
		}
	}
	return by
}

// The policies of waivers.
const (
	PolicyExpired = "waiver-expired"
	PolicyUnused  = "waiver-unused"
	PolicyBroad   = "waiver-too-broad"
)

func ours(policy string) bool {
	return policy == PolicyExpired || policy == PolicyUnused || policy == PolicyBroad
}

// faults are what is wrong with the waivers, and what was and is no longer.
func (in *Input) faults(used []bool) []fleet.Finding {
	known := map[string]fleet.Finding{}
	for _, f := range in.Known {
		if ours(f.Policy) {
			known[f.Fingerprint] = f
		}
	}
	var out []fleet.Finding
	for i := range in.Waivers {
		w := &in.Waivers[i]
		switch {
		case w.Expired(in.Now):
			out = append(out, in.fault(known, w, PolicyExpired, fleet.Medium, "A waiver has expired",
				"Put right what it covers, or let its owner decide anew and give another date; then delete or renew it.",
				"the waiver "+w.ID+" of "+w.Owner+" expired after "+w.lastDay()))
		case !used[i]:
			out = append(out, in.fault(known, w, PolicyUnused, fleet.Low, "A waiver covers nothing",
				"Delete it: what it was for is gone, or its scope is misspelled.",
				"the waiver "+w.ID+" of "+w.Owner+" covers no finding"))
		}
		if why := w.broad(in.Now); why != "" {
			out = append(out, in.fault(known, w, PolicyBroad, fleet.Medium, "A waiver covers too much",
				"Name the policy, and beside it what it is about: a resource, service, tag or fingerprint; for at most a year.",
				"the waiver "+w.ID+" of "+w.Owner+" "+why))
		}
	}
	for _, f := range known {
		if f.Status != fleet.StatusResolved {
			f.Status = fleet.StatusResolved
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b fleet.Finding) int { return strings.Compare(a.Policy+a.Message, b.Policy+b.Message) })
	return out
}

// fault is a finding about a waiver. What remains of known was not found again.
func (in *Input) fault(known map[string]fleet.Finding, w *Waiver, policy string, s fleet.Severity, title, remedy, message string) fleet.Finding {
	h := sha256.Sum256([]byte(policy + "\x00" + w.ID))
	f := fleet.Finding{
		Fingerprint: hex.EncodeToString(h[:16]), Policy: policy, Title: title, Severity: s, Status: fleet.StatusNew,
		FirstSeen: in.Now, LastSeen: in.Now, Count: 1, Remedy: remedy, Resource: "waiver/" + w.ID,
		Message: fmt.Sprintf("%s (%s:%d)", message, w.File, w.Line),
	}
	if before, ok := known[f.Fingerprint]; ok {
		f.FirstSeen, f.Status = before.FirstSeen, fleet.StatusOpen
		if before.Status == fleet.StatusResolved {
			f.Status = fleet.StatusReopened
		}
		delete(known, f.Fingerprint)
	}
	return f
}

func (w *Waiver) lastDay() string { return w.Expires.Add(-time.Nanosecond).UTC().Format(time.DateOnly) }

// longest is how far away an expiry may be: what is right for longer is a matter
// for the policy.
const longest = 366 * 24 * time.Hour

// broad says in what a waiver covers too much; "" for nothing.
func (w *Waiver) broad(now time.Time) string {
	switch {
	case len(w.Fingerprints) == 0 && (len(w.Policies) == 0 || slices.ContainsFunc(w.Policies, all)):
		return "names no policy"
	case len(w.Fingerprints) == 0 && len(w.Tags) == 0 && vague(w.Resources) && vague(w.Services) && vague(w.Accounts):
		return "covers a policy everywhere"
	case w.Expires.Sub(now) > longest:
		return "holds for more than a year"
	}
	return ""
}

func vague(patterns []string) bool { return len(patterns) == 0 || slices.ContainsFunc(patterns, all) }

// all reports whether a pattern fits everything.
func all(pattern string) bool { return strings.Trim(pattern, "*") == "" }
