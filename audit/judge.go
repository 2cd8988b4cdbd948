package audit

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"muster/fleet"
)

// Source is the part of a fleet.Reader that the audit reads.
type Source interface {
	Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error]
	Findings(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Finding, error]
}

// Input is what one run judges, and what it may believe about it.
type Input struct {
	Reader Source
	// Window is the time judged: the records in it, and the traces and journeys
	// whose first record is in it. Zero sides are open.
	Window fleet.Window
	Now    time.Time
	RunID  string
	// Watermarks are the times up to which the streams were read, by stream.
	Watermarks map[string]time.Time
	// Ledger says how completely they were read, in any order. It must reach
	// beyond the window by the longest wait of a policy.
	Ledger []fleet.LedgerEntry
	// Closed says that the sources are drained: nothing will come any more, so
	// nothing is waited for.
	Closed bool
}

// Result is what a run found.
type Result struct {
	// Run has no Ended: the audit takes no clock. Its Findings counts those that
	// stand, which leaves out the resolved ones.
	Run fleet.Run
	// Findings are those that this run saw or resolved, with their life cycle
	// applied, worst first and then newest first.
	Findings []fleet.Finding
	// Waiting counts, by policy, the subjects that a policy of absence could not
	// judge yet, because a source has not been read past them. A later run will.
	Waiting map[string]int
}

// Judge holds what a store has against the policies. It fails only when the
// reader does; a policy that cannot be evaluated is listed in Run.NotJudged.
//
// Records are read once, in order. A trace or journey is judged when nothing of
// it came for a while (see quiet), so that memory holds only what is under way.
func Judge(ctx context.Context, ps []Policy, in Input) (Result, error) {
	known, err := knownFindings(ctx, ps, in.Reader)
	if err != nil {
		return Result{}, err
	}
	r := newRun(ps, in, known)
	if err := r.read(ctx); err != nil {
		return Result{}, err
	}
	return r.result(), nil
}

// run is the state of one pass.
type run struct {
	in         Input
	cover      *coverage
	judgements []*judgement
	byRecord   index
	shown      record     // what byRecord looks at
	watch      *watch     // nil when all policies are in CEL
	stories    []*grouper // of the subjects made of many records that a policy is on
	survey     *survey    // nil when no policy is on the fleet
	surveyors  []*judgement
	verdicts   *verdicts // nil when no policy is on verdicts
}

func newRun(ps []Policy, in Input, known map[string]fleet.Finding) *run {
	r := &run{in: in, cover: newCoverage(in), byRecord: index{}}
	gap := quiet
	on := map[Subject][]*judgement{}
	var detecting []*judgement
	for i := range ps {
		j := newJudgement(&ps[i], r.cover, known)
		r.judgements = append(r.judgements, j)
		on[j.policy.On] = append(on[j.policy.On], j)
		switch {
		case j.policy.detects != nil:
			detecting = append(detecting, j)
		case j.policy.On == OnFleet:
			if r.survey == nil {
				r.survey = newSurvey()
			}
			r.surveyors = append(r.surveyors, j)
		case j.policy.On == OnVerdict:
		case j.policy.On.story():
			gap = max(gap, j.policy.patience())
		default:
			r.byRecord.add(j)
		}
	}
	if len(detecting) > 0 {
		r.watch = newWatch(detecting, in.Window)
	}
	if on[OnVerdict] != nil {
		r.verdicts = newVerdicts(on[OnVerdict], in.Window)
	}
	for _, j := range on[OnGroup] {
		r.stories = append(r.stories, newGrouper(gap, j.group, r.tell([]*judgement{j})))
	}
	for subject, key := range map[Subject]func(*fleet.Record) string{
		OnTrace: ofTrace, OnJourney: ofJourney, OnRequest: ofRequest, OnMessage: ofMessage, OnDelivery: ofDelivery,
	} {
		js := on[subject]
		if subject == OnJourney && r.survey != nil {
			r.stories = append(r.stories, newGrouper(gap, key, r.tell(js, r.survey.story)))
		} else if js != nil {
			r.stories = append(r.stories, newGrouper(gap, key, r.tell(js)))
		}
	}
	return r
}

func ofTrace(rec *fleet.Record) string { return rec.Keys.Trace }

// ofJourney is the journey of a record: a trace without one is its own.
func ofJourney(rec *fleet.Record) string { return cmp.Or(rec.Keys.Correlation, rec.Keys.Trace) }

// ofRequest is the request id of an AWS service that a span shows. Such an id is
// handed out once, which other scopes do not promise: a client that tries again
// may send the header that it sent before.
func ofRequest(rec *fleet.Record) string {
	if rec.Kind != fleet.KindSpan || rec.Keys.Scope != fleet.ScopeAWS {
		return ""
	}
	return rec.Keys.Request
}

// sends are the spans that hand a message over and show the id that it was given.
var sends = map[string]bool{"sqs:SendMessage": true, "sns:Publish": true}

// ofMessage is the message id that a span shows which sent it. Whoever receives
// a message shows its id on a trace of its own as a matter of course, and so does
// each of several receivers, and one that receives it again.
func ofMessage(rec *fleet.Record) string {
	if rec.Kind != fleet.KindSpan || !sends[rec.Name] || len(rec.Keys.Messages) == 0 {
		return ""
	}
	return rec.Keys.Messages[0]
}

// ofDelivery is the first message that a span or a log line shows, and the one
// that AWS answered to the call which sent it: few instrumentations note the id
// on the span of that call.
func ofDelivery(rec *fleet.Record) string {
	switch {
	case rec.Kind == fleet.KindAPICall && sends[rec.Name] && rec.Error == "":
		return view(rec).json("responseElements.messageId")
	case rec.Kind != fleet.KindSpan && rec.Kind != fleet.KindLog, len(rec.Keys.Messages) == 0:
		return ""
	}
	return rec.Keys.Messages[0]
}

// tell is where a grouper hands over a story that is over. Also are others who
// want to hear of it.
func (r *run) tell(js []*judgement, also ...func(*story)) func(g *group) {
	return func(g *group) {
		if !r.in.Window.Contains(g.records[0].Time) {
			return // another run's
		}
		s := newStory(g.id, g.records)
		for _, j := range js {
			j.story(g, s)
		}
		for _, hear := range also {
			hear(s)
		}
	}
}

// read streams the window's records past the policies. Stories need what lies
// around the window: a trace that began before it is not this run's, and one
// that began in it may go on after it.
func (r *run) read(ctx context.Context) error {
	q := fleet.Query{Window: r.in.Window, Kinds: r.kinds()}
	if len(q.Kinds) == 0 {
		return nil
	}
	if len(r.stories) > 0 {
		q.Window = widen(r.in.Window, r.stories[0].gap) // one for all
	} else if r.verdicts != nil {
		q.Window = widen(r.in.Window, verdictWait)
	}
	if r.watch != nil && !q.Window.Start.IsZero() {
		// Correlations count what came before.
		if begin := r.in.Window.Start.Add(-r.watch.reach); begin.Before(q.Window.Start) {
			q.Window.Start = begin
		}
	}
	at := &fleet.Record{}
	for rec, err := range r.in.Reader.Records(ctx, q) {
		if err != nil {
			return fmt.Errorf("read the records to judge: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.holds() {
			at = &fleet.Record{}
		}
		*at = rec
		r.take(at)
	}
	for _, g := range r.stories {
		g.closeAll()
	}
	if r.watch != nil {
		r.watch.close(r.readUntil())
	}
	if r.verdicts != nil {
		r.verdicts.close()
	}
	if r.survey != nil {
		r.surveyed()
	}
	return nil
}

// holds reports whether records are kept beyond their turn. Where none is, all
// pass through one.
func (r *run) holds() bool { return len(r.stories) > 0 || r.survey != nil || r.verdicts != nil }

// readUntil is the time before which everything was read.
func (r *run) readUntil() time.Time {
	if r.in.Window.End.IsZero() {
		return r.in.Now
	}
	return r.in.Window.End
}

func (r *run) take(rec *fleet.Record) {
	r.shown.show(rec)
	if r.in.Window.Contains(rec.Time) {
		r.byRecord.each(rec, func(j *judgement) { j.record(rec, &r.shown) })
		if r.survey != nil {
			r.survey.record(rec)
			for _, j := range r.surveyors {
				j.meet(rec.ID)
			}
		}
	}
	if r.verdicts != nil {
		r.verdicts.take(rec)
	}
	if r.watch != nil && rec.Kind == fleet.KindAPICall {
		r.watch.take(rec, &r.shown)
	}
	for _, g := range r.stories {
		g.add(rec)
	}
}

// kinds are the kinds of records that the policies look at.
func (r *run) kinds() []fleet.Kind {
	var out []fleet.Kind
	if len(r.stories) > 0 {
		out = []fleet.Kind{fleet.KindSpan, fleet.KindLog, fleet.KindAPICall, fleet.KindChange}
	}
	if r.verdicts != nil {
		out = append(out, fleet.KindVerdict, fleet.KindAPICall, fleet.KindChange)
	}
	for _, j := range r.judgements {
		if k := fleet.Kind(j.policy.On); slices.Contains(fleet.Kinds(), k) {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func widen(w fleet.Window, by time.Duration) fleet.Window {
	if !w.Start.IsZero() {
		w.Start = w.Start.Add(-by)
	}
	if !w.End.IsZero() {
		w.End = w.End.Add(by)
	}
	return w
}

func (r *run) result() Result {
	out := Result{
		Run: fleet.Run{
			ID: r.in.RunID, Started: r.in.Now, Window: r.in.Window,
			Policies: len(r.judgements), NotJudged: map[string]string{}, Versions: map[string]string{},
		},
		Waiting: map[string]int{},
	}
	for _, j := range r.judgements {
		out.Run.Versions[j.policy.ID] = j.policy.Version
		if why := j.notJudged(); why != "" {
			out.Run.NotJudged[j.policy.ID] = why
		}
		if j.waiting > 0 {
			out.Waiting[j.policy.ID] = j.waiting
		}
		for _, seen := range j.seen {
			f := seen.after(r.in.Window)
			if seen.cleared {
				f.Status = fleet.StatusResolved
			}
			out.Findings = append(out.Findings, f)
		}
		out.Findings = append(out.Findings, j.resolved(r.in.Window)...)
	}
	for _, f := range out.Findings {
		if f.Status != fleet.StatusResolved {
			out.Run.Findings++
		}
	}
	slices.SortFunc(out.Findings, compareFindings)
	return out
}

// compareFindings orders worst first, then newest first, then by fingerprint,
// so that the order is total.
func compareFindings(a, b fleet.Finding) int {
	return cmp.Or(
		cmp.Compare(b.Severity.Rank(), a.Severity.Rank()),
		b.LastSeen.Compare(a.LastSeen),
		cmp.Compare(a.Fingerprint, b.Fingerprint),
	)
}
