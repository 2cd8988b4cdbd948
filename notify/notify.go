// Package notify tells people and programs of findings: through SNS, EventBridge,
// Security Hub and webhooks. It groups, keeps to a rate, and tells everything at
// least once, with a key by which a receiver drops what it was told before.
package notify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"muster/fleet"
)

// Message is a group of findings of one policy.
type Message struct {
	// Key is the same whenever the same group is told again: 32 hex digits.
	Key      string
	Severity fleet.Severity // the worst
	Title    string
	Text     string // for people, some lines
	Findings []fleet.Finding
}

// A Channel takes messages. Send returns nil only when the receiver has taken
// all of it; what fails is sent again later, with the same key. Not concurrent.
type Channel interface {
	// Name tells channels apart in what is kept and what is logged. It holds no
	// secret.
	Name() string
	Send(ctx context.Context, m Message) error
}

// Sent is what was told of one finding through one channel.
type Sent struct {
	At time.Time `json:"at"`
	// Over says that the finding has been resolved since.
	Over bool `json:"over,omitempty"`
}

// Log is what was told, by channel and fingerprint.
type Log map[string]map[string]Sent

// Options bound what is told.
type Options struct {
	// Least is the mildest severity that is told.
	Least fleet.Severity
	// Dedup is how long nothing is told again of a finding that was told, even
	// when it was put right and came back meanwhile.
	Dedup time.Duration
	// Group puts the findings of one policy together that were seen within so
	// long of each other; the window is open at both ends.
	Group func([]fleet.Finding) [][]fleet.Finding
	// Rate is messages a second and Most messages a run, for each channel; what
	// is left is told by the next run.
	Rate rate.Limit
	Most int
	Now  time.Time
	// Save keeps the log. It is called after each message that was taken, so that
	// a crash repeats at most one.
	Save func(Log) error
}

// Tally counts what one run told.
type Tally struct{ Sent, Findings, Left int }

// Tell sends what stands and was not told yet through every channel. A channel
// that fails does not hold up the others: its errors come joined.
func Tell(ctx context.Context, channels []Channel, fs []fleet.Finding, log Log, o Options) (Tally, error) {
	var t Tally
	var errs []error
	for _, c := range channels {
		told := log[c.Name()]
		if told == nil {
			told = map[string]Sent{}
			log[c.Name()] = told
		}
		err := o.tell(ctx, c, o.untold(fs, told), told, log, &t)
		if err != nil {
			errs = append(errs, fmt.Errorf("notify through %s: %w", c.Name(), err))
		}
	}
	return t, errors.Join(append(errs, o.Save(log))...)
}

// untold are the findings to tell, and notes which are over.
func (o *Options) untold(fs []fleet.Finding, told map[string]Sent) []fleet.Finding {
	var out []fleet.Finding
	for _, f := range fs {
		s, was := told[f.Fingerprint]
		switch {
		case f.Status == fleet.StatusResolved:
			if was {
				s.Over = true
				told[f.Fingerprint] = s
			}
		case f.Status == fleet.StatusWaived || f.Severity.Rank() < o.Least.Rank():
		case !was || s.Over && o.Now.Sub(s.At) >= o.Dedup:
			out = append(out, f)
		}
	}
	return out
}

func (o *Options) tell(ctx context.Context, c Channel, fs []fleet.Finding, told map[string]Sent, log Log, t *Tally) error {
	groups := o.Group(fs)
	slices.SortStableFunc(groups, func(a, b []fleet.Finding) int { return cmp.Compare(worst(b).Rank(), worst(a).Rank()) })
	limit := rate.NewLimiter(o.Rate, 1)
	for i, g := range groups {
		if o.Most > 0 && i >= o.Most {
			t.Left += len(groups) - i
			return nil
		}
		if err := limit.Wait(ctx); err != nil {
			return err
		}
		m := NewMessage(g)
		if err := c.Send(ctx, m); err != nil {
			t.Left += len(groups) - i
			return err
		}
		for _, f := range g {
			told[f.Fingerprint] = Sent{At: o.Now}
		}
		t.Sent++
		t.Findings += len(g)
		if err := o.Save(log); err != nil {
			return fmt.Errorf("keep what was sent: %w", err)
		}
	}
	return nil
}

func worst(fs []fleet.Finding) fleet.Severity {
	s := fs[0].Severity
	for i := range fs {
		if fs[i].Severity.Rank() > s.Rank() {
			s = fs[i].Severity
		}
	}
	return s
}

// listed is how many findings the text of a message lists; the others are counted.
const listed = 10

// NewMessage is the message about a group of findings, which has at least one.
func NewMessage(fs []fleet.Finding) Message {
	fs = slices.Clone(fs)
	slices.SortFunc(fs, func(a, b fleet.Finding) int { return strings.Compare(a.Fingerprint, b.Fingerprint) })
	h := sha256.New()
	for i := range fs {
		fmt.Fprintf(h, "%s\x00%d\x00", fs[i].Fingerprint, fs[i].FirstSeen.UnixMicro())
	}
	f := &fs[0]
	m := Message{Key: hex.EncodeToString(h.Sum(nil)[:16]), Severity: worst(fs), Findings: fs, Title: cmp.Or(f.Title, f.Policy)}
	if len(fs) > 1 {
		m.Title = fmt.Sprintf("%s (%d findings)", m.Title, len(fs))
	}
	m.Title = fleet.Printable("[" + string(m.Severity) + "] " + m.Title)
	var b strings.Builder
	for i := range fs[:min(len(fs), listed)] {
		fmt.Fprintf(&b, "- %s (%s, seen %d times, last %s)\n", fleet.Printable(cmp.Or(fs[i].Message, fs[i].Title)),
			fleet.Printable(cmp.Or(fs[i].Resource, fs[i].Service)), fs[i].Count, fleet.FormatTime(fs[i].LastSeen))
	}
	if left := len(fs) - listed; left > 0 {
		fmt.Fprintf(&b, "- and %d more\n", left)
	}
	if f.Remedy != "" {
		fmt.Fprintf(&b, "What to do: %s\n", fleet.Printable(f.Remedy))
	}
	fmt.Fprintf(&b, "Policy %s, fingerprint %s\n", fleet.Printable(f.Policy), f.Fingerprint)
	m.Text = b.String()
	return m
}

// keyOf is 32 hex digits of some texts.
func keyOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%s\x00", p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// body is a message for programs.
func (m *Message) body() ([]byte, error) {
	return json.Marshal(struct {
		Key      string          `json:"dedupe_key"`
		Severity fleet.Severity  `json:"severity"`
		Title    string          `json:"title"`
		Text     string          `json:"text"`
		Findings []fleet.Finding `json:"findings"`
	}{m.Key, m.Severity, m.Title, m.Text, m.Findings})
}
