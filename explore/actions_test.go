package explore

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

var whiteGround = color.White

// sampleActions answer as a lake with a table of two rows.
func sampleActions() Actions {
	return Actions{
		Export: func(_ context.Context, file string, t fleet.Trace) error {
			return os.WriteFile(file, []byte(t.ID), 0o600)
		},
		SaveTable: func(_ context.Context, file string, t Table) error {
			var b strings.Builder
			if err := t.Write(&b, file); err != nil {
				return err
			}
			return os.WriteFile(file, []byte(b.String()), 0o600)
		},
		Waive: func(_ context.Context, _ fleet.Finding, w Waiver) (string, error) {
			if w.Owner == "nobody" {
				return "", errors.New("waivers.yaml:3: is no YAML")
			}
			return "waivers.yaml", nil
		},
		Browse: func(context.Context, string) error { return ErrNoBrowser },
		SQL: func(_ context.Context, query string, _ int) (Table, error) {
			if strings.Contains(query, "nonesuch") {
				return Table{}, errors.New("Catalog Error: there is no table nonesuch")
			}
			return Table{
				Columns: []string{"kind", "n", "note"},
				Rows:    [][]string{{"span", "2412880", "a,\"b\""}, {"log", "2800000", evil}},
			}, nil
		},
	}
}

func actionStage(t *testing.T, start string) *stage {
	return newStage(t, sample(), 120, 40, Options{Start: start, Actions: sampleActions()})
}

func (s *stage) says(want string) {
	s.t.Helper()
	if !strings.Contains(s.frame(), want) {
		s.t.Errorf("the frame does not say %q:\n%s", want, s.frame())
	}
}

// type types a text into the prompt in place of what it holds, and ends the line.
func (s *stage) typeLine(text string) {
	s.send(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl})
	s.send(tea.PasteMsg{Content: text})
	s.press("enter")
}

func TestExportWritesTheDossier(t *testing.T) {
	s := actionStage(t, refusedTrace)
	file := filepath.Join(t.TempDir(), "x.otlp.json")
	s.press("e")
	s.says("export to (.otlp.json or .json): trace-" + refusedTrace)
	s.typeLine(file)
	if got, err := os.ReadFile(file); err != nil || string(got) != refusedTrace {
		t.Errorf("the file has %q: %v", got, err)
	}
}

func TestExportWritesTheDossierOfTheTraceUnderTheCursor(t *testing.T) {
	for _, keys := range []string{"", "tab down down down"} {
		s := actionStage(t, "")
		s.press(keys)
		id := s.m.pointedAt().traceID
		file := filepath.Join(t.TempDir(), "x.otlp.json")
		s.press("e")
		s.says("trace-" + id)
		s.typeLine(file)
		if got, err := os.ReadFile(file); err != nil || string(got) != id {
			t.Errorf("after %q the file has %q, want the dossier of %s: %v", keys, got, id, err)
		}
	}
}

func TestWaiveAsksForOwnerReasonAndDay(t *testing.T) {
	tests := []struct {
		name, owner, reason, day, want string
	}{
		{"whole", "team-data", "on purpose", "2027-01-31", "waived until 2027-01-31 in waivers.yaml"},
		{"no owner", "", "", "", "needs an owner"},
		{"over", "team-data", "on purpose", "2026-01-31", "is over"},
		{"no day", "team-data", "on purpose", "soon", "is written as 2026-12-31"},
		{"broken file", "nobody", "on purpose", "2027-01-31", "not waived: waivers.yaml:3: is no YAML"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := actionStage(t, "")
			s.press("tab w")
			for _, text := range []string{tt.owner, tt.reason, tt.day} {
				if s.m.prompt != nil {
					s.typeLine(text)
				}
			}
			s.says(tt.want)
		})
	}
}

func TestLinksLeadToWhereTheEvidenceIs(t *testing.T) {
	span, call := checkout()[0], checkout()[4]
	l := fleet.Record{Kind: fleet.KindLog, Region: "eu-west-1", Attributes: fleet.AttributesOf(fleet.AttrLogGroup, "/muster/orders")}
	change := fleet.Record{Kind: fleet.KindChange, Region: "eu-west-1", Resources: []string{"AWS::S3::Bucket/a b"}}
	tests := []struct {
		name       string
		at         subject
		dashboards string
		want       string
	}{
		{"trace", subject{traceID: refusedTrace}, "", "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#xray:traces/1-67432b5e-9f3a41d7c05be0a1862f44d1"},
		{"span", subject{record: &span}, "", "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#xray:traces/1-67432b5e-9f3a41d7c05be0a1862f44d1"},
		{"call", subject{record: &call}, "", "https://us-east-1.console.aws.amazon.com/cloudtrailv2/home?region=us-east-1#/events/" + call.ID},
		{"log", subject{record: &l}, "", "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/$252Fmuster$252Forders"},
		{"change", subject{record: &change}, "", "https://eu-west-1.console.aws.amazon.com/config/home?region=eu-west-1#/resources/timeline?resourceId=a+b&resourceType=AWS%3A%3AS3%3A%3ABucket"},
		{"nothing", subject{}, "", ""},
		{"dashboards", subject{traceID: `a'b"c`}, "https://search/_dashboards/", `https://search/_dashboards/app/discover#/?_g=(time:(from:now-10y,to:now))&_q=(query:(language:kuery,query:'trace_id:%22a%21%27b%5C%22c%22'))`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := link(tt.at, tt.dashboards); got != tt.want {
				t.Errorf("the link is\n%s, want\n%s", got, tt.want)
			}
		})
	}
}

func TestWithoutABrowserTheLinkIsSaid(t *testing.T) {
	s := actionStage(t, refusedTrace)
	s.press("o")
	s.says("no browser here; copied https://us-east-1.console.aws")
}

func TestCommandsCompleteAndWhatIsNoneOpens(t *testing.T) {
	s := actionStage(t, "")
	s.press(":")
	s.send(tea.PasteMsg{Content: "fi"})
	s.press("tab enter")
	if got := s.m.top().title(); got != "findings" {
		t.Errorf("tab and enter after fi show %s", got)
	}
	s.press(":")
	s.typeLine(refusedTrace)
	if _, is := s.m.top().(*dossier); !is {
		t.Errorf("an id shows %s", s.m.top().title())
	}
	s.press(":")
	s.press("up")
	if got := string(s.m.prompt.typed); got != refusedTrace {
		t.Errorf("the line before is %q", got)
	}
}

func TestConsoleAsksShowsExportsAndGivesUp(t *testing.T) {
	s := actionStage(t, "")
	s.press("Q")
	s.send(tea.PasteMsg{Content: "select ki"})
	s.press("tab")
	if got := string(s.m.prompt.typed); got != "select kind" {
		t.Fatalf("tab makes %q", got)
	}
	s.press("enter")
	s.says("2412880")
	file := filepath.Join(t.TempDir(), "a.json")
	s.press("e")
	s.typeLine(file)
	s.says("wrote 2 rows")
	got, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(got), `{"kind":"span","n":"2412880","note":"a,\"b\""}`+"\n") {
		t.Errorf("the file has %q: %v", got, err)
	}
	s.press("e")
	s.typeLine("answer.txt")
	s.says("end it in .csv or .json")
	s.press("enter")
	s.typeLine("select * from nonesuch")
	s.says("there is no table nonesuch")

	var asked context.Context
	c := newConsole(s.m.env, Actions{SQL: func(ctx context.Context, _ string, _ int) (Table, error) {
		asked = ctx
		return Table{}, ctx.Err()
	}}, "select 1")
	cmd := c.load()
	if !c.escape() {
		t.Error("esc gives nothing up while a query runs")
	}
	s.do(cmd)
	if asked.Err() == nil || c.table != nil || c.err != nil {
		t.Errorf("the query was not given up: %v, %v", asked.Err(), c.err)
	}
	if c.load() != nil {
		t.Error("a refresh runs the query again")
	}
}

func TestStateSurvivesARestart(t *testing.T) {
	s := actionStage(t, "")
	s.press("/")
	s.typeLine("service:orders errors")
	s.press("tab a : services enter")
	want := State{View: "services", Filter: "service:orders errors", All: true, History: []string{"services"}, Filters: []string{"service:orders errors"}}
	got := s.m.left()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("it is left in another state (-want +got):\n%s", diff)
	}
	again := newStage(t, sample(), 120, 40, Options{State: got})
	if diff := cmp.Diff(want, again.m.left()); diff != "" {
		t.Errorf("it begins in another state (-want +got):\n%s", diff)
	}
	if _, is := again.m.top().(*services); !is {
		t.Errorf("it begins with %s", again.m.top().title())
	}
}

func TestTheMouseChoosesAndOpens(t *testing.T) {
	s := actionStage(t, "")
	click := func(x, y int) { s.send(tea.MouseClickMsg{X: x, Y: y, Button: tea.MouseLeft}) }
	click(5, 7) // below two lines of charts
	l, _ := s.under()
	if l.at.cursor != 3 {
		t.Errorf("a click on the fourth line chooses line %d", l.at.cursor+1)
	}
	click(5, 7)
	if _, is := s.m.top().(*dossier); !is {
		t.Fatalf("a second click shows %s", s.m.top().title())
	}
	d := s.m.top().(*dossier)
	click(5, linesAbove+len(dossierHead(d, 120))+2)
	if d.at.cursor != 1 {
		t.Errorf("a click on the second line of the waterfall chooses line %d", d.at.cursor+1)
	}
	click(strings.Index(strings.Split(s.frame(), "\n")[0], "findings"), 0)
	if got := s.m.top().title(); got != "findings" {
		t.Errorf("a click on the tab shows %s", got)
	}
	click(1000, 1000) // outside
	click(0, 39)
	if got := fmt.Sprint(s.m.top().title(), s.m.tab); got != "findings1" {
		t.Errorf("clicks beside the lines lead to %s", got)
	}
}
