package explore

import (
	"context"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"muster/fleet"
)

const refusedTrace = "67432b5e9f3a41d7c05be0a1862f44d1"

func TestEscLeadsBackTheWayOneCame(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{})
	s.press("tab down down down enter enter") // findings, finding, its evidence's dossier
	s.press("J")                              // the journey
	var titles []string
	for range 5 {
		titles = append(titles, s.m.top().title())
		s.press("esc")
	}
	want := "journey ord-7f3a-1042 < trace 1-67432b5e…1862f44d1 < finding payment-compensated < findings < findings"
	if got := strings.Join(titles, " < "); got != want {
		t.Errorf("the way back is %s, want %s", got, want)
	}
}

func TestTabsKeepTheirPlace(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{Start: refusedTrace})
	s.press("down down down tab")
	if got := s.m.top().title(); got != "findings" {
		t.Fatalf("tab shows %s", got)
	}
	s.send(tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift})
	d, ok := s.m.top().(*dossier)
	if !ok || d.at.cursor != 3 {
		t.Errorf("back on the first tab there is %s", s.m.top().title())
	}
}

func TestTheWayBackIsBounded(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{})
	for range 2 * mostBack {
		s.send(openMsg{id: refusedTrace})
	}
	if got := len(s.m.stacks[tabTraces]); got != mostBack {
		t.Errorf("the way back has %d screens", got)
	}
	for range mostBack {
		s.press("esc")
	}
	if _, ok := s.m.top().(*list); !ok {
		t.Errorf("the way back ends at %s", s.m.top().title())
	}
}

func TestRefreshWaitsForTheAnswerUnderWay(t *testing.T) {
	m := &many{n: 3}
	s := newStage(t, m, 80, 24, Options{})
	l, _ := s.under()
	_ = l.load() // under way: its answer has not come
	asked := len(m.asked)
	s.send(dueMsg{})
	if len(m.asked) != asked {
		t.Fatal("a refresh asks again while an answer is under way")
	}
	s.send(listAnswer{to: l, asked: l.asked})
	if len(m.asked) != asked+1 {
		t.Errorf("after the answer the refresh asks %d times", len(m.asked)-asked)
	}
}

func TestRefreshOfADossierKeepsCursorFoldsAndScroll(t *testing.T) {
	f := sample()
	s := newStage(t, f, 160, 45, Options{Start: refusedTrace})
	s.press("down down down down down left down enter pgdown")
	d := s.m.top().(*dossier)
	row, top, folded := d.current().key(), d.detail.top, len(d.folded)
	late := f.records[0]
	late.ID, late.Time = "late", late.Time.Add(-time.Millisecond)
	late.Kind, late.Keys.Span, late.Keys.Parent = "log", "", ""
	f.records = append(f.records, late)
	s.press("r")
	if trail(d.trees.roots, "late") == nil {
		t.Fatal("the late record is not there")
	}
	if d.current().key() != row || d.detail.top != top || len(d.folded) != folded {
		t.Errorf("after the refresh the cursor is on %s, was on %s; scroll %d, was %d; %d folded, was %d",
			d.current().key(), row, d.detail.top, top, len(d.folded), folded)
	}
}

func TestAnIDIsOpenedFromAnywhere(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{})
	s.press("tab : enter")
	if got := s.m.top().title(); got != "findings" {
		t.Errorf("an empty id opens %s", got)
	}
	s.press(": 1-67432b5e-9f3a41d7c05be0a1862f44d1 enter")
	if got := s.m.top().title(); got != "trace 1-67432b5e…1862f44d1" {
		t.Errorf("the id opens %s", got)
	}
	s.press(": ord-7f3a-1042 esc")
	if got := s.m.top().title(); got != "trace 1-67432b5e…1862f44d1" || s.m.prompt != nil {
		t.Errorf("esc at the prompt leads to %s", got)
	}
}

func TestARequestOpensWhatSharesIt(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{Start: "67432b1100aa55bb66cc77dd88ee99ff"})
	s.press("end R")
	d := s.m.top().(*dossier)
	if d.id != "REQ-EC2-0001" || len(d.trace.Records) != 3 || d.current().record().Kind != fleet.KindChange {
		t.Errorf("%s opens %d records, the cursor is on a %s", d.id, len(d.trace.Records), d.current().record().Kind)
	}
	s.press("home R")
	if got := s.frame(); !strings.Contains(got, "this line shows no request id") {
		t.Errorf("the frame is:\n%s", got)
	}
}

func TestScreensSayThatTheyAreReading(t *testing.T) {
	never := func(func(context.Context) tea.Msg) tea.Cmd { return nil }
	m := newModel(sample(), Options{Start: refusedTrace}, never)
	s := &stage{t, &player{m: m}}
	s.do(m.Init())
	s.send(tea.WindowSizeMsg{Width: 80, Height: 24})
	for _, want := range []string{"reading the dossier…", "reading findings…"} {
		if got := s.frame(); !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
		s.press("tab")
	}
	s.send(tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift})
	s.send(tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift})
	s.press("esc")
	if got := s.frame(); !strings.Contains(got, "reading traces…") {
		t.Errorf("the list does not say that it is being read:\n%s", got)
	}
}

func TestARecordAskedForIsRevealedWhenItComes(t *testing.T) {
	f := sample()
	s := newStage(t, f, 80, 24, Options{})
	s.send(openMsg{id: refusedTrace, record: "late"})
	s.press("end up up up up left - 2") // fold everything, hide the log lines
	late := f.records[1]
	late.ID = "late"
	f.records = append(f.records, late)
	s.press("r")
	d := s.m.top().(*dossier)
	if got := d.current().key(); got != "late" || len(d.hidden) > 1 {
		t.Errorf("the cursor is on %s", got)
	}
}

func TestCopyingPutsTheWholeIDOnTheClipboard(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{Start: refusedTrace})
	_, cmd := s.m.Update(copyMsg{"an id"})
	want := tea.SetClipboard("an id")()
	if got := cmd(); got != want {
		t.Errorf("the command is %#v, want %#v", got, want)
	}
	s.press("end y")
	if got := s.frame(); !strings.Contains(got, "copied log-67432b5e-0018") {
		t.Errorf("nothing says what was copied:\n%s", got)
	}
}

func TestSearchGoesRoundAndSaysWhenThereIsNothing(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{Start: refusedTrace})
	d := s.m.top().(*dossier)
	s.press("/ UpdateItem enter")
	first := d.at.cursor
	s.press("n")
	second := d.at.cursor
	s.press("n")
	if d.at.cursor != first || second == first {
		t.Errorf("the search goes to lines %d, %d, %d", first, second, d.at.cursor)
	}
	s.press("/ nonesuch enter")
	if got := s.frame(); !strings.Contains(got, "no line shows UpdateItemnonesuch") {
		t.Errorf("the frame is:\n%s", got)
	}
}

func TestTheWheelMovesAndLeavesAPromptAlone(t *testing.T) {
	s := newStage(t, sample(), 80, 24, Options{})
	s.send(tea.MouseWheelMsg{Button: tea.MouseWheelDown})
	l, _ := s.under()
	if l.at.cursor != wheelLines {
		t.Errorf("the wheel moves by %d", l.at.cursor)
	}
	s.press(":")
	s.send(tea.MouseWheelMsg{Button: tea.MouseWheelUp})
	if l.at.cursor != wheelLines || s.m.prompt == nil {
		t.Error("the wheel moves behind a prompt")
	}
}

func TestPromptEditsLikeAShell(t *testing.T) {
	p := newPrompt(askMsg{label: "x", value: "one two"})
	for _, k := range []tea.KeyPressMsg{
		{Code: 'w', Mod: tea.ModCtrl},
		{Code: 't', Text: "t"},
		{Code: '2', Text: "2"},
		{Code: tea.KeyHome},
		{Code: tea.KeyDelete},
		{Code: 'O', Text: "O"},
		{Code: tea.KeyEnd},
		{Code: tea.KeyBackspace},
		{Code: tea.KeyLeft},
		{Code: '数', Text: "数"},
		{Code: tea.KeyRight},
		{Code: '!', Text: "!"},
	} {
		p.press(k)
	}
	if got, want := string(p.typed), "One 数t!"; got != want {
		t.Errorf("the line is %q, want %q", got, want)
	}
	p.press(tea.KeyPressMsg{Code: 'u', Mod: tea.ModCtrl})
	if len(p.typed) != 0 || p.at != 0 {
		t.Errorf("ctrl+u leaves %q", string(p.typed))
	}
	p.insert(strings.Repeat("long ", 1000))
	if len(p.typed) != mostTyped {
		t.Errorf("%d runes can be pasted", len(p.typed))
	}
	if got := p.view(80).fit(80).String(); cellWidth(got) != 80 || !strings.Contains(got, "…") {
		t.Errorf("a long line shows as %q", got)
	}
}
