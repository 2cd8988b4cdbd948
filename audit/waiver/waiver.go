// Package waiver says which findings are accepted: by waivers, which people write
// as code with owner, reason, scope and expiry, and by a baseline, the findings
// that were there when somebody began to look.
package waiver

import (
	"fmt"
	"strings"
	"time"

	"muster/audit/scene"
	"muster/fleet"
)

// Waiver accepts the findings that meet its whole scope. Of each list one entry
// is enough, and an empty list narrows nothing; entries may have wildcards (*).
type Waiver struct {
	ID, Owner, Reason string
	Policies          []string
	Fingerprints      []string
	Accounts, Regions []string
	Resources         []string // canonical names or ARNs
	Services          []string
	Tags              map[string]string // all of them; of the newest configuration
	// Expires is the end of the last day on which it holds, in UTC.
	Expires time.Time
	// Age is how long after it was first seen a finding may be waived; zero for
	// as long as the waiver holds.
	Age time.Duration

	File string
	Line int
}

// Expired reports whether the waiver holds no longer.
func (w *Waiver) Expired(now time.Time) bool { return !now.Before(w.Expires) }

// String says who waived, until when and why.
func (w *Waiver) String() string {
	return fmt.Sprintf("by %s until %s (%s): %s", w.Owner, w.Expires.Add(-time.Nanosecond).UTC().Format(time.DateOnly), w.ID, w.Reason)
}

// near reports whether a finding meets the part of the scope that the finding
// itself tells.
func (w *Waiver) near(f *fleet.Finding) bool {
	return fits(w.Policies, f.Policy) && fits(w.Fingerprints, f.Fingerprint) && fits(w.Services, f.Service)
}

// placed reports whether the scope asks for what only the evidence tells.
func (w *Waiver) placed() bool {
	return len(w.Accounts)+len(w.Regions)+len(w.Resources)+len(w.Tags) > 0
}

// meets reports whether a finding meets the scope.
func (w *Waiver) meets(f *fleet.Finding, s *scene.Scene) bool {
	if !w.near(f) || !fits(w.Accounts, s.Account) || !fits(w.Regions, s.Region) {
		return false
	}
	if !fits(w.Resources, f.Resource) && !fits(w.Resources, s.ARN) {
		return false
	}
	for k, v := range w.Tags {
		if got, ok := s.Tags[k]; !ok || !match(v, got) {
			return false
		}
	}
	return true
}

// young reports whether a finding is not too old to be waived.
func (w *Waiver) young(f *fleet.Finding, now time.Time) bool {
	return w.Age == 0 || now.Sub(f.FirstSeen) <= w.Age
}

func fits(patterns []string, s string) bool {
	for _, p := range patterns {
		if s != "" && match(p, s) {
			return true
		}
	}
	return len(patterns) == 0
}

// match holds a text against a pattern in which * stands for any text.
func match(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(s, first) {
		return false
	}
	s = s[len(first):]
	for _, p := range parts[1 : len(parts)-1] {
		at := strings.Index(s, p)
		if at < 0 {
			return false
		}
		s = s[at+len(p):]
	}
	return strings.HasSuffix(s, last)
}
