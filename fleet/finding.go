package fleet

import "time"

// Severity says how bad a finding is.
type Severity string

// The severities, mildest first.
const (
	Info     Severity = "info"
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Severities lists the severities, mildest first.
func Severities() []Severity { return []Severity{Info, Low, Medium, High, Critical} }

// Rank orders severities: 1 for Info up to 5 for Critical, 0 for anything else.
func (s Severity) Rank() int {
	for i, v := range Severities() {
		if v == s {
			return i + 1
		}
	}
	return 0
}

// Status is where a finding stands in its life.
type Status string

// The statuses of a finding.
const (
	StatusNew      Status = "new"
	StatusOpen     Status = "open"
	StatusWaived   Status = "waived"
	StatusResolved Status = "resolved"
	StatusReopened Status = "reopened"
)

// Finding is one thing that a policy holds against the fleet. Its fingerprint
// is stable over runs, so that the same thing seen again is the same finding.
type Finding struct {
	Fingerprint string
	Policy      string
	Title       string
	Severity    Severity
	Status      Status
	FirstSeen   time.Time
	LastSeen    time.Time
	Count       int
	Message     string
	Remedy      string
	Resource    string
	Service     string
	Trace       string
	// Evidence are the ids of the records that show it.
	Evidence []string
}

// Run is one pass of the audit.
type Run struct {
	ID       string
	Started  time.Time
	Ended    time.Time
	Window   Window
	Policies int
	Findings int
	// NotJudged are the policies that could not be judged, each with the reason.
	NotJudged map[string]string
	// Renewed is when a run that has not ended last said that it is at work; zero
	// where it did not since it started.
	Renewed time.Time
	// Program is the version of the program that ran it, and Versions that of each
	// policy, by id: the first digits of a hash of its text. Empty where the run was
	// recorded before both were.
	Program  string
	Versions map[string]string
}
