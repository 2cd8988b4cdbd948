package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"muster/fleet"
)

// Stage is how far the remedy of a finding has come.
type Stage string

// The stages. Sending is what a program was about when it was stopped: whether
// the topic has the message is not known, and it is not sent again.
const (
	Proposed  Stage = "proposed"
	Approved  Stage = "approved"
	Sending   Stage = "sending"
	Triggered Stage = "sent"
)

// Remediation is the record of one remedy: who approved it, and what was sent.
type Remediation struct {
	Stage   Stage         `json:"stage"`
	Finding fleet.Finding `json:"finding"` // as it was when it was approved
	Topic   string        `json:"topic"`
	// Key is the same for one approval of one finding: 32 hex digits.
	Key        string    `json:"dedupe_key"`
	ApprovedBy string    `json:"approved_by,omitempty"`
	ApprovedAt time.Time `json:"approved_at,omitzero"`
	Note       string    `json:"note,omitempty"`
	// Claimed is when a program began to send it, Sent when the topic had taken it.
	Claimed   time.Time       `json:"claimed_at,omitzero"`
	Sent      time.Time       `json:"sent_at,omitzero"`
	MessageID string          `json:"message_id,omitempty"`
	Message   json.RawMessage `json:"message,omitempty"` // what was sent
	// Failures are what the topic answered when it did not take it.
	Failures []Failure `json:"failures,omitempty"`
	// Over is when the finding was seen to be resolved: its episode has ended, and
	// with it the approval.
	Over time.Time `json:"over_at,omitzero"`
}

// Failure is one refusal.
type Failure struct {
	At    time.Time `json:"at"`
	Error string    `json:"error"`
}

// Remedies are the records of a folder, one file each. The stage stands in the
// file's name, and a stage is reached by renaming: of two programs at once only
// one can take an approval, and a crash leaves a stage that says what happened.
type Remedies struct{ Folder string }

// fingerprint is what names a finding: muster's are hex digits; as a file's name nothing else is taken.
var fingerprint = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)

func (r Remedies) path(id string, s Stage) string {
	return filepath.Join(r.Folder, id+"."+string(s)+".json")
}

// Of is the record of a finding's present episode; one that is proposed has none.
func (r Remedies) Of(id string) (Remediation, error) {
	if !fingerprint.MatchString(id) {
		return Remediation{}, fmt.Errorf("%q is no finding's id", id)
	}
	for _, s := range []Stage{Triggered, Sending, Approved} {
		m, err := read(r.path(id, s))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		m.Stage = s
		return m, err
	}
	return Remediation{Stage: Proposed}, nil
}

func read(name string) (Remediation, error) {
	var m Remediation
	text, err := os.ReadFile(name)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("read the record %s: %w: repair it, or remove it to have its finding proposed again", name, err)
	}
	return m, nil
}

// Approve records that a person wants the remedy of a finding to be triggered.
// again allows what was sent, or may have been, to be sent once more.
func (r Remedies) Approve(f fleet.Finding, topic, by, note string, now time.Time, again bool) (Remediation, error) {
	before, err := r.Of(f.Fingerprint)
	if err != nil {
		return before, err
	}
	switch {
	case !stands(&f):
		return before, fmt.Errorf("finding %s is %s: there is nothing to put right", f.Fingerprint, f.Status)
	case topic == "":
		return before, fmt.Errorf("finding %s: the policy %s names no topic under remediate", f.Fingerprint, f.Policy)
	case by == "":
		return before, errors.New("an approval needs a name: give --as")
	case before.Stage == Approved && before.Topic == topic:
		return before, nil // by whoever was first
	case before.Stage == Triggered && !again:
		return before, fmt.Errorf("finding %s: its remedy was sent at %s, message %s: once for each time that it comes up; --again sends another",
			f.Fingerprint, fleet.FormatTime(before.Sent), before.MessageID)
	case before.Stage == Sending && !again:
		return before, fmt.Errorf("finding %s: a program was stopped at %s while it sent the remedy, and whether %s has it is not known: look there, and --again sends another",
			f.Fingerprint, fleet.FormatTime(before.Claimed), before.Topic)
	case before.Stage != Proposed:
		if err := r.file(f.Fingerprint, before.Stage, now); err != nil {
			return before, err
		}
	}
	m := Remediation{Stage: Approved, Finding: f, Topic: topic, ApprovedBy: by, ApprovedAt: now.UTC(), Note: note}
	m.Key = NewMessage([]fleet.Finding{f}).keyAt(now)
	return m, r.write(f.Fingerprint, &m)
}

// write keeps a record under its stage's name, whole or not at all.
func (r Remedies) write(id string, m *Remediation) error {
	if err := os.MkdirAll(r.Folder, 0o755); err != nil {
		return fmt.Errorf("keep who approved what: %w", err)
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(r.Folder, ".part-*")
	if err != nil {
		return fmt.Errorf("keep who approved what: %w", err)
	}
	_, err = part.Write(append(text, '\n'))
	err = errors.Join(err, part.Sync(), part.Chmod(0o644), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), r.path(id, m.Stage))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep who approved what: %w", err), os.Remove(part.Name()))
	}
	return r.sync()
}

// sync makes names last: without it a machine that fails may forget a rename.
func (r Remedies) sync() error {
	d, err := os.Open(r.Folder)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// move brings a record from one stage to another. It fails with ErrNotExist
// where another program was faster.
func (r Remedies) move(id string, from, to Stage) error {
	if err := os.Rename(r.path(id, from), r.path(id, to)); err != nil {
		return err
	}
	return r.sync()
}

// file puts a record away for good, so that the finding can be proposed again.
func (r Remedies) file(id string, s Stage, now time.Time) error {
	return r.move(id, s, Stage(fmt.Sprintf("%s-until-%s", s, now.UTC().Format("20060102T150405.000000Z"))))
}

func (r Remedies) remove(id string, s Stage) error {
	if err := os.Remove(r.path(id, s)); err != nil {
		return err
	}
	return r.sync()
}

// Close ends the episodes of findings that are resolved.
func (r Remedies) Close(fs []fleet.Finding, now time.Time) error {
	for i := range fs {
		f := &fs[i]
		if f.Status != fleet.StatusResolved || !fingerprint.MatchString(f.Fingerprint) {
			continue
		}
		if err := r.close(f.Fingerprint, now); err != nil {
			return fmt.Errorf("end the episode of finding %s: %w", f.Fingerprint, err)
		}
	}
	return nil
}

// close puts away what there is of an episode: after a crash there may be two
// records of it.
func (r Remedies) close(id string, now time.Time) error {
	for {
		m, err := r.Of(id)
		if err != nil || m.Stage == Proposed {
			return err
		}
		m.Over = now.UTC()
		if err := r.write(id, &m); err != nil {
			return err
		}
		if err := r.file(id, m.Stage, now); err != nil {
			return err
		}
	}
}

// stands reports whether there is something to put right that nobody accepts.
func stands(f *fleet.Finding) bool {
	return f.Status == fleet.StatusNew || f.Status == fleet.StatusOpen || f.Status == fleet.StatusReopened
}

// keyAt tells approvals of the same finding apart.
func (m Message) keyAt(now time.Time) string {
	return keyOf(m.Key, now.UTC().Format(time.RFC3339Nano))
}

// body is what the topic is sent.
func (m *Remediation) body() ([]byte, error) {
	return json.Marshal(struct {
		Action     string        `json:"action"`
		Key        string        `json:"dedupe_key"`
		ApprovedBy string        `json:"approved_by"`
		ApprovedAt time.Time     `json:"approved_at"`
		Note       string        `json:"note,omitempty"`
		Finding    fleet.Finding `json:"finding"`
	}{"remediate", m.Key, m.ApprovedBy, m.ApprovedAt, m.Note, m.Finding})
}

// region of a topic; "" where the ARN has none.
func region(arn string) string {
	parts := strings.Split(arn, ":")
	if len(parts) < 6 {
		return ""
	}
	return parts[3]
}
