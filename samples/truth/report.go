package truth

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"muster/fleet"
)

// leastRecall is the recall that joins must reach: a datagram or an event may
// be lost now and then, and a tenth of a percent is not what is looked for.
const leastRecall = 0.99

// Report is how what muster made of a run compares with the truth.
type Report struct {
	Kinds []Kind
	// Requests are the clients' requests, and Missing the traces of those that
	// were not found.
	Requests int
	Missing  []string
	// Traces and Journeys are the truth's; TracesFound have a summary, and
	// JourneysWhole have all of their traces in one journey.
	Traces, TracesFound     int
	Journeys, JourneysWhole int
	Joins                   []Join
	// Seen are keys that records show themselves, Exact and Inferred those that
	// they were given by the ladder.
	Seen, Exact, Inferred Total
	Policies              []Policy
	// Unexpected are the findings above low without anything true behind them.
	Unexpected []fleet.Finding
	// Findings counts what happened, not findings, which add up what is alike.
	Findings Total
}

// Kind is how many records of a kind there are: in the store, in the truth,
// and of the truth's in the store.
type Kind struct {
	Kind                 fleet.Kind
	Stored, Known, Found int
}

// report counts what was read, and what should have been and was not.
func (s *scorer) report() Report {
	r := Report{Requests: len(s.file.Requests), Traces: len(s.file.Traces), Kinds: s.kinds()}
	for _, q := range s.file.Requests {
		if _, listed := s.summaries[q.Trace]; !listed || !s.answered(q) {
			r.Missing = append(r.Missing, q.Trace)
		}
	}
	whole := make(map[string]bool)
	for _, t := range s.file.Traces {
		journey, listed := s.summaries[t.ID]
		if listed {
			r.TracesFound++
		}
		if t.Journey != "" {
			before, known := whole[t.Journey]
			whole[t.Journey] = (journey == t.Journey || slices.Contains(t.Also, journey)) && (before || !known)
		}
	}
	r.Journeys = len(whole)
	for _, all := range whole {
		if all {
			r.JourneysWhole++
		}
	}
	r.Joins = s.joins.list()
	r.Seen, r.Exact, r.Inferred = s.joins.total(classSeen), s.joins.total(classExact), s.joins.total(classInferred)
	r.Policies, r.Unexpected = s.judge()
	for i := range r.Unexpected {
		r.Findings.Wrong += times(&r.Unexpected[i])
	}
	for _, p := range r.Policies {
		r.Findings.Right += min(p.Reported, p.Times)
		r.Findings.Missed += max(0, p.Times-p.Reported)
		r.Findings.Wrong += len(p.Astray)
	}
	return r
}

// answered reports whether a request is in its trace: by the gateway's span, or,
// where that was not sampled, by a log line.
func (s *scorer) answered(q Request) bool {
	if q.Span == "" {
		return s.lit[q.Trace]
	}
	id := fleet.SpanID(q.Trace, q.Span)
	return s.hasMet(fleet.KindSpan, id) && s.seen[id].trace == q.Trace
}

// kinds counts the records, and the joins of those that are not there.
func (s *scorer) kinds() []Kind {
	count := make(map[fleet.Kind]*Kind)
	for _, k := range fleet.Kinds() {
		count[k] = &Kind{Kind: k, Stored: s.stored[k]}
	}
	know := func(k fleet.Kind, id string, absent func()) {
		count[k].Known++
		if s.hasMet(k, id) {
			count[k].Found++
		} else {
			absent()
		}
	}
	for id := range s.spans {
		know(fleet.KindSpan, id, func() { s.joins.miss(keyTrace, classSeen) })
	}
	for id, l := range s.lines {
		know(fleet.KindLog, id, func() {
			switch {
			case l.Trace == "", l.Hidden: // nothing to join
			case l.Unlinked:
				s.joins.miss(keyTrace, classExact)
			default:
				s.joins.miss(keyTrace, classSeen)
			}
		})
	}
	for id, c := range s.calls {
		if c.Unsure && !s.hasMet(fleet.KindAPICall, id) {
			continue
		}
		know(fleet.KindAPICall, id, func() {
			if c.Trace != "" && c.joinable() {
				s.joins.miss(keyTrace, classExact)
			}
		})
	}
	for resource := range s.changes {
		know(fleet.KindChange, resource, func() {}) // Config need not record every type
	}
	out := make([]Kind, 0, len(count))
	for _, k := range fleet.Kinds() {
		out = append(out, *count[k])
	}
	return out
}

// OK reports whether everything is as it must be; Problems says what is not.
func (r Report) OK() bool { return len(r.Problems()) == 0 }

// Problems are the reasons why a report is not OK, one line each.
func (r Report) Problems() []string {
	var out []string
	say := func(bad bool, format string, args ...any) {
		if bad {
			out = append(out, fmt.Sprintf(format, args...))
		}
	}
	say(r.Requests == 0, "the truth knows no request")
	say(len(r.Missing) > 0, "%d of %d requests were not found, the first on trace %s", len(r.Missing), r.Requests, first(r.Missing))
	say(r.Requests > 0 && r.Exact.Right == 0, "no exact join was made")
	say(r.Exact.Wrong > 0, "%d exact joins are wrong", r.Exact.Wrong)
	say(r.Exact.Recall() < leastRecall, "recall of exact joins is %.4f, which is below %.2f", r.Exact.Recall(), leastRecall)
	say(r.Seen.Wrong > 0, "%d records contradict the keys that they show", r.Seen.Wrong)
	say(r.Seen.Recall() < leastRecall, "%.4f of the records that show their keys were found, which is below %.2f", r.Seen.Recall(), leastRecall)
	for _, p := range r.Policies {
		say(p.Found < p.AtLeast, "policy %s has %d findings where at least %d are due", p.Policy, p.Found, p.AtLeast)
		say(len(p.Astray) > 0, "policy %s points to trace %s, where nothing of the kind happened", p.Policy, first(p.Astray))
	}
	for _, f := range r.Unexpected {
		say(true, "policy %s has a finding of severity %s with nothing behind it: %s", f.Policy, f.Severity, f.Message)
	}
	return out
}

func first(all []string) string {
	if len(all) == 0 {
		return ""
	}
	return all[0]
}

// Print writes the report as tables for people.
func (r Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(t, "%v\t", c)
		}
		fmt.Fprintln(t)
	}
	row("records", "stored", "in the truth", "found")
	for _, k := range r.Kinds {
		row(k.Kind, k.Stored, k.Known, k.Found)
	}
	row()
	row("", "in the truth", "found")
	row("requests", r.Requests, r.Requests-len(r.Missing))
	row("traces", r.Traces, r.TracesFound)
	row("journeys", r.Journeys, r.JourneysWhole)
	row()
	row("joins", "by", "how sure", "right", "wrong", "missed")
	for _, j := range r.Joins {
		via := string(j.Via)
		if via == "" {
			via = "-"
		}
		row(j.Key, via, j.Sure, j.Right, j.Wrong, j.Missed)
	}
	row()
	row("", "precision", "recall")
	row("exact joins", ratio(r.Exact.Precision()), ratio(r.Exact.Recall()))
	row("inferred joins", ratio(r.Inferred.Precision()), ratio(r.Inferred.Recall()))
	row("findings", ratio(r.Findings.Precision()), ratio(r.Findings.Recall()))
	row()
	row("findings", "found", "at least", "reported", "happened")
	for _, p := range r.Policies {
		row(p.Policy, p.Found, p.AtLeast, p.Reported, p.Times)
	}
	row("unexpected", len(r.Unexpected))
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the score: %w", err)
	}
	verdict := "\neverything is as the truth has it\n"
	if problems := r.Problems(); len(problems) > 0 {
		verdict = "\nnot as the truth has it:\n  " + strings.Join(problems, "\n  ") + "\n"
	}
	if _, err := io.WriteString(w, verdict); err != nil {
		return fmt.Errorf("print the score: %w", err)
	}
	return nil
}

// ratio shows four digits, and 1 only for exactly 1.
func ratio(f float64) string {
	if f == 1 {
		return "1"
	}
	return fmt.Sprintf("%.4f", min(f, 0.9999))
}
