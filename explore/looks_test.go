package explore

import (
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// looks has a line for each view: it is held at three sizes, on dark and on light
// ground and without colours. A new view joins with a line.
var looks = []struct {
	name   string
	reader func() fleet.Reader
	start  string
	keys   string
}{
	{"list", func() fleet.Reader { return sample() }, "", "down down"},
	{"dossier", func() fleet.Reader { return sample() }, refusedTrace, "down down"},
	{"journey", func() fleet.Reader { return sample() }, "ord-7f3a-1042", ""},
	{"findings", func() fleet.Reader { return sample() }, "", "tab down"},
	{"finding", func() fleet.Reader { return sample() }, "", "tab down enter"},
	{"services", func() fleet.Reader { return sample() }, "", "S down"},
	{"sql", func() fleet.Reader { return sample() }, "", "Q select enter"},
	{"compare", func() fleet.Reader { return sample() }, "", "down M"},
	{"outliers", func() fleet.Reader { return sample() }, "", "O"},
	{"changes", func() fleet.Reader { return sample() }, "", "tab tab"},
	{"calls", func() fleet.Reader { return sample() }, "", "tab tab tab"},
	{"logs", func() fleet.Reader { return sample() }, "", "tab tab tab tab"},
	{"help", func() fleet.Reader { return sample() }, "", "?"},
	{"world", func() fleet.Reader { return world() }, refusedTrace, "down"},
}

// lookSizes are those of the issue: the smallest common one, a usual one, a wide one.
var lookSizes = [][2]int{{80, 24}, {120, 40}, {200, 60}}

// TestLooks holds each view's text in a file of its own, for people to read, and
// how it is painted in one file for all, as a tally of what is sent and its sum.
func TestLooks(t *testing.T) {
	if err := os.MkdirAll(filepath.Join("testdata", "looks"), 0o755); err != nil {
		t.Fatal(err)
	}
	var painted strings.Builder
	for _, look := range looks {
		for _, size := range lookSizes {
			name := fmt.Sprintf("%s-%dx%d", look.name, size[0], size[1])
			s := newStage(t, look.reader(), size[0], size[1], Options{Start: look.start, Actions: sampleActions()})
			s.press(look.keys)
			s.golden(filepath.Join("looks", name))
			dark := s.m.View().Content
			s.send(tea.BackgroundColorMsg{Color: whiteGround})
			light := s.m.View().Content
			bare := withoutColor(t, dark)
			for ground, frame := range map[string]string{"dark": dark, "light": light, "no colour": bare} {
				if wrong := new(eye).misfit(frame, size[0], size[1]); wrong != "" {
					t.Errorf("%s, %s: %s", name, ground, wrong)
				}
				if withoutColours(frame) != withoutColours(dark) {
					t.Errorf("%s says something else in %s", name, ground)
				}
			}
			if coloured.MatchString(bare) {
				t.Errorf("%s has colours with NO_COLOR", name)
			}
			fmt.Fprintf(&painted, "%-20s dark      %s\n%-20s light     %s\n%-20s no colour %s\n", name, inked(dark), name, inked(light), name, inked(bare))
		}
	}
	path := filepath.Join("testdata", "looks", "painted.golden")
	if *update {
		if err := os.WriteFile(path, []byte(painted.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./explore -run TestLooks -update writes it", err)
	}
	if diff := cmp.Diff(string(want), painted.String()); diff != "" {
		t.Errorf("the views are painted another way (-want +got):\n%s", diff)
	}
}

// withoutColor is what a terminal gets of a frame when NO_COLOR is set.
func withoutColor(t *testing.T, frame string) string {
	t.Helper()
	var b strings.Builder
	w := colorprofile.NewWriter(&b, []string{"TERM=xterm-256color", "NO_COLOR=1", "TTY_FORCE=1"})
	if _, err := w.WriteString(frame); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var sgr = regexp.MustCompile(`\x1b\[([\d;]*)m`)

// inked tells how a frame is painted: how often each look is turned on, and a sum
// over the frame.
func inked(frame string) string {
	times := map[string]int{}
	for _, m := range sgr.FindAllStringSubmatch(frame, -1) {
		if m[1] != "" && m[1] != "0" {
			times[m[1]]++
		}
	}
	var parts []string
	for look, n := range times {
		parts = append(parts, fmt.Sprintf("%s×%d", look, n))
	}
	slices.Sort(parts)
	h := fnv.New32a()
	_, _ = h.Write([]byte(frame)) // never fails
	return fmt.Sprintf("%08x %s", h.Sum32(), strings.Join(parts, " "))
}

// world is a fleet whose names are wide, or read from right to left.
func world() *fake {
	f := sample()
	for i := range f.records {
		r := &f.records[i]
		switch i % 3 {
		case 0:
			r.Service, r.Name = "注文サービス", "POST /注文/{番号}"
		case 1:
			r.Service, r.Message = "תשלומים", "הכרטיס נדחה: אין יתרה (402)"
		default:
			r.Name, r.Message = "größe /café", "الدفع مرفوض لطلب 1042"
		}
	}
	return f
}

// TestWordsOfTheWorldStayWhole holds that wide and right-to-left words come out
// letter by letter as they went in: bidirectional order is the terminal's.
func TestWordsOfTheWorldStayWhole(t *testing.T) {
	s := newStage(t, world(), 200, 60, Options{Start: refusedTrace})
	for _, word := range []string{"注文サービス", "תשלומים", "größe", "הכרטיס נדחה"} {
		found := strings.Contains(s.frame(), word)
		for range 20 { // it may be in the details of another line
			if found {
				break
			}
			s.press("down")
			found = strings.Contains(s.frame(), word)
		}
		if !found {
			t.Errorf("no frame shows %q", word)
		}
	}
}

// TestNoColourAloneIsASignal paints pairs that differ in one thing, and holds
// that their text differs too.
func TestNoColourAloneIsASignal(t *testing.T) {
	record := func(change func(*fleet.Record)) string {
		r := checkout()[0]
		r.Error = ""
		change(&r)
		tr := &fleet.Trace{ID: r.Keys.Trace, Records: []fleet.Record{r}}
		f := plant(tr)
		rows := outline(f, nil, nil, nil)
		return waterRow(f, &rows[0], 120, false).String()
	}
	level := func(name string) func(*fleet.Record) {
		return func(r *fleet.Record) { r.Kind, r.Name = fleet.KindLog, name }
	}
	sure := func(c fleet.Certainty) func(*fleet.Record) {
		return func(r *fleet.Record) { r.Keys.TraceLink = fleet.Link{Via: fleet.RungRequest, Sure: c} }
	}
	severity := func(s fleet.Severity) string {
		return findingLine(&fleet.Finding{Title: "t", Severity: s}, 80).String()
	}
	chosenRow := func(on bool) string {
		return findingRow(&fleet.Finding{Title: "t", LastSeen: noon}, noon, 80, on).String()
	}
	pairs := map[string][2]string{
		"a failed span":     {record(func(*fleet.Record) {}), record(func(r *fleet.Record) { r.Error = "fault" })},
		"a kind":            {record(func(*fleet.Record) {}), record(func(r *fleet.Record) { r.Kind = fleet.KindChange })},
		"a level":           {record(level("INFO")), record(level("WARN"))},
		"a certainty":       {record(sure(fleet.Exact)), record(sure(fleet.Inferred))},
		"a running span":    {record(func(*fleet.Record) {}), record(func(r *fleet.Record) { r.Attributes = fleet.AttributesOf(fleet.AttrInProgress, "true") })},
		"a severity":        {severity(fleet.High), severity(fleet.Medium)},
		"the chosen line":   {chosenRow(false), chosenRow(true)},
		"an open tab":       {tabLine(t, ""), tabLine(t, "tab")},
		"a waited-for span": {bar(waitedNode(false), noon, noon.Add(1e9), 20).String(), bar(waitedNode(true), noon, noon.Add(1e9), 20).String()},
	}
	for what, pair := range pairs {
		if pair[0] == pair[1] {
			t.Errorf("without colours %s looks like its opposite: %q", what, pair[0])
		}
	}
}

func waitedNode(waited bool) *node {
	n := &node{rec: &fleet.Record{Kind: fleet.KindSpan, Time: noon, Duration: 1e9}}
	if waited {
		n.parts = []stretch{{n, noon, noon.Add(1e9)}}
	}
	return n
}

func tabLine(t *testing.T, keys string) string {
	s := newStage(t, &fake{}, 80, 24, Options{})
	s.press(keys)
	return strings.SplitN(s.frame(), "\n", 2)[0]
}
