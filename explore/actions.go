package explore

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

// Actions are what an explorer can do beside reading. What is nil is said to be
// unavailable, with the remedy. All are called in goroutines of their own.
type Actions struct {
	// Export writes a dossier into a new file; its name's end says the format.
	Export func(ctx context.Context, file string, t fleet.Trace) error
	// Waive adds a waiver of one finding to the file that `muster audit --waivers`
	// reads, and returns its name.
	Waive func(ctx context.Context, f fleet.Finding, w Waiver) (file string, err error)
	// Browse shows a page in a browser. ErrNoBrowser where there is none.
	Browse func(ctx context.Context, address string) error
	// Dashboards is the address of OpenSearch Dashboards, "" for none: then links
	// lead to the AWS console.
	Dashboards string
	// SQL asks the lake. The answer has at most limit rows.
	SQL func(ctx context.Context, query string, limit int) (Table, error)
	// SaveTable writes an answer into a new file, as Export does.
	SaveTable func(ctx context.Context, file string, t Table) error
}

// Waiver is who accepts a finding, why, and to the end of which day, UTC.
type Waiver struct {
	Owner, Reason string
	Until         time.Time
}

// ErrNoBrowser says that there is no browser to show a page in.
var ErrNoBrowser = errors.New("there is no browser here")

// subject is what the cursor of a screen is on.
type subject struct {
	record  *fleet.Record
	trace   *fleet.Trace // the whole dossier
	traceID string
	finding *fleet.Finding
}

// pointing is a screen with a subject.
type pointing interface{ subject() subject }

func (d *dossier) subject() subject {
	s := subject{trace: d.trace}
	if d.trace == nil {
		return s
	}
	s.traceID = d.trace.ID
	if r := d.current(); r != nil {
		s.finding, s.record = r.finding, r.record()
	}
	return s
}

func (l *list) subject() subject {
	if l.at.cursor >= len(l.rows) {
		return subject{}
	}
	return subject{traceID: l.rows[l.at.cursor].Trace}
}

func (f *findings) subject() subject {
	if f.at.cursor >= len(f.found) {
		return subject{}
	}
	x := &f.found[f.at.cursor]
	return subject{finding: x, traceID: x.Trace}
}

func (f *finding) subject() subject { return subject{finding: &f.found, traceID: f.found.Trace} }

// actionKeys are those of what the cursor is on.
type actionKeys struct{ export, browse, waive key.Binding }

func newActionKeys() actionKeys {
	return actionKeys{
		browse: bind("o", "open in the AWS console", "o"),
		export: bind("e", "export", "e"),
		waive:  bind("w", "waive", "w"),
	}
}

// actionGroup are the keys that the shown screen has a use for.
func (m *model) actionGroup() group {
	g := group{title: "with what the cursor is on"}
	p, points := m.top().(pointing)
	if !points {
		return g
	}
	k, at := newActionKeys(), p.subject()
	g.keys = append(g.keys, k.browse)
	if at.trace != nil || at.traceID != "" {
		g.keys = append(g.keys, k.export)
	}
	switch m.top().(type) {
	case *findings, *finding:
		g.keys = append(g.keys, k.waive)
	default:
		if at.finding != nil {
			g.keys = append(g.keys, k.waive)
		}
	}
	return g
}

// groups are all keys that work now.
func (m *model) groups() []group {
	out := m.top().keys()
	if g := m.actionGroup(); len(g.keys) > 0 {
		out = append(out, g)
	}
	return append(out, m.keys.group())
}

// actOn handles the keys of what the cursor is on.
func (m *model) actOn(msg tea.KeyPressMsg) (cmd tea.Cmd, did bool) {
	p, points := m.top().(pointing)
	if !points {
		return nil, false
	}
	k := newActionKeys()
	for _, b := range m.actionGroup().keys {
		if !key.Matches(msg, b) {
			continue
		}
		switch {
		case key.Matches(msg, k.browse):
			return m.browse(p.subject()), true
		case key.Matches(msg, k.export):
			return m.askExport(p.subject(), ""), true
		case key.Matches(msg, k.waive):
			return m.askWaive(p.subject()), true
		}
	}
	return nil, false
}

// browse shows where the subject is kept. Where there is no browser the address
// is said, and is on the clipboard.
func (m *model) browse(s subject) tea.Cmd {
	address := link(s, m.actions.Dashboards)
	if address == "" {
		return say(flashMsg{"nothing here has a page: go to a trace, a span, a log line, a call or a change"})
	}
	if m.actions.Browse == nil {
		return tea.Batch(tea.SetClipboard(address), say(flashMsg{"copied " + address}))
	}
	open := m.actions.Browse
	return m.env.run(func(ctx context.Context) tea.Msg {
		switch err := open(ctx, address); {
		case errors.Is(err, ErrNoBrowser):
			return noBrowserMsg{address}
		case err != nil:
			return flashMsg{"could not open the browser: " + err.Error() + " · " + address}
		}
		return flashMsg{"opened " + address}
	})
}

// noBrowserMsg puts the address on the clipboard instead.
type noBrowserMsg struct{ address string }

// link is the page about a subject: in OpenSearch Dashboards where that is known,
// else in the AWS console. "" where there is none.
func link(s subject, dashboards string) string {
	if dashboards != "" {
		return dashboardsLink(s, strings.TrimSuffix(dashboards, "/"))
	}
	region := "us-east-1"
	if s.trace != nil && len(s.trace.Records) > 0 && s.trace.Records[0].Region != "" {
		region = s.trace.Records[0].Region
	}
	if s.record == nil {
		return traceLink(region, s.traceID)
	}
	r := s.record
	if r.Region != "" {
		region = r.Region
	}
	home := "https://" + url.PathEscape(region) + ".console.aws.amazon.com/"
	of := "home?region=" + url.QueryEscape(region)
	switch {
	case r.Kind == fleet.KindAPICall:
		return home + "cloudtrailv2/" + of + "#/events/" + url.PathEscape(r.ID)
	case r.Kind == fleet.KindLog && r.Attributes.Get(fleet.AttrLogGroup) != "":
		// The console's own spelling: escaped twice, with $ for %.
		group := strings.ReplaceAll(url.QueryEscape(url.QueryEscape(r.Attributes.Get(fleet.AttrLogGroup))), "%", "$")
		return home + "cloudwatch/" + of + "#logsV2:log-groups/log-group/" + group
	case (r.Kind == fleet.KindChange || r.Kind == fleet.KindVerdict) && len(r.CanonicalResources()) > 0:
		kind, name, _ := strings.Cut(r.CanonicalResources()[0], "/")
		return home + "config/" + of + "#/resources/timeline?resourceId=" + url.QueryEscape(name) + "&resourceType=" + url.QueryEscape(kind)
	}
	return traceLink(region, r.Keys.Trace)
}

func traceLink(region, trace string) string {
	if trace == "" {
		return ""
	}
	return "https://" + url.PathEscape(region) + ".console.aws.amazon.com/cloudwatch/home?region=" + url.QueryEscape(region) +
		"#xray:traces/" + url.PathEscape(fleet.FormatTraceID(trace))
}

// dashboardsLink searches for the subject in Discover, over all time.
func dashboardsLink(s subject, base string) string {
	field, id := "trace_id", s.traceID
	switch {
	case s.record != nil:
		field, id = "id", s.record.ID
	case s.finding != nil && id == "":
		field, id = "fingerprint", s.finding.Fingerprint
	}
	if id == "" {
		return ""
	}
	query := field + `:"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(id) + `"`
	// In rison a quote and an exclamation mark are escaped by the latter.
	query = strings.NewReplacer("!", "!!", "'", "!'").Replace(query)
	return base + "/app/discover#/?_g=(time:(from:now-10y,to:now))&_q=(query:(language:kuery,query:'" + url.PathEscape(query) + "'))"
}

// askWaive asks for owner, reason and last day, one after the other.
func (m *model) askWaive(s subject) tea.Cmd {
	switch {
	case s.finding == nil:
		return say(flashMsg{"no finding to waive: go to one"})
	case m.actions.Waive == nil:
		return say(flashMsg{"waiving is not available here: write the finding's fingerprint into a file for muster audit --waivers"})
	}
	x := *s.finding
	var w Waiver
	untilDay := func(s string) tea.Cmd {
		day, err := time.Parse(time.DateOnly, s)
		if err != nil {
			return say(flashMsg{"not waived: the last day is written as 2026-12-31, not " + s})
		}
		if w.Until = day.AddDate(0, 0, 1); !w.Until.After(m.env.now()) {
			return say(flashMsg{"not waived: " + s + " is over"})
		}
		waive := m.actions.Waive
		return m.env.run(func(ctx context.Context) tea.Msg {
			file, err := waive(ctx, x, w)
			if err != nil {
				return flashMsg{"✗ not waived: " + err.Error()}
			}
			return flashMsg{fmt.Sprintf("waived until %s in %s: muster audit --waivers %s takes it", s, file, file)}
		})
	}
	reason := func(s string) tea.Cmd {
		if w.Reason = s; s == "" {
			return say(flashMsg{"not waived: a waiver needs a reason"})
		}
		month := m.env.now().AddDate(0, 1, 0).UTC().Format(time.DateOnly)
		return say(askMsg{label: "waived to the end of (day, UTC)", value: month, then: untilDay})
	}
	return say(askMsg{label: "waive: owner", value: os.Getenv("USER"), then: func(s string) tea.Cmd {
		if w.Owner = s; s == "" {
			return say(flashMsg{"not waived: a waiver needs an owner"})
		}
		return say(askMsg{label: "reason", then: reason})
	}})
}
