package explore

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// released is a fleet in which a task definition is changed at noon less ten
// minutes, by a role that a person's user had assumed, and from then on every
// second payment fails and takes ten times as long.
func released() *fake {
	f := &fake{}
	at := noon.Add(-10 * time.Minute)
	item := func(when time.Time, state, version, request string) fleet.Record {
		r := fleet.Record{
			ID: "payments@" + state, Kind: fleet.KindChange, Time: when, Service: "ecs", Name: "OK",
			Resources: []string{"AWS::ECS::Service/payments", "arn:aws:ecs:us-east-1:111122223333:service/payments"},
			Message:   "AWS::ECS::Service payments changed",
			Raw: []byte(fmt.Sprintf(`{"configuration":{"taskDefinition":"arn:aws:ecs:us-east-1:111122223333:task-definition/payments:%s",`+
				`"desiredCount":2,"tags":["a","%s"]}}`, version, version)),
		}
		if request != "" {
			r.Keys.Request, r.Keys.Scope = request, fleet.ScopeAWS
			r.Keys.RequestLink = fleet.Link{Via: fleet.RungTouch, Sure: fleet.Inferred}
		}
		return r
	}
	call := func(id, name, principal, access, issued, request string, when time.Time) fleet.Record {
		r := fleet.Record{
			ID: id, Kind: fleet.KindAPICall, Time: when, Service: "ecs", Name: name, Principal: principal,
			Attributes: fleet.AttributesOf(fleet.AttrSourceIP, "203.0.113.7", fleet.AttrUserAgent, "aws-cli/2"),
		}
		r.Keys.AccessKey, r.Keys.IssuedKey, r.Keys.Request, r.Keys.Scope = access, issued, request, fleet.ScopeAWS
		return r
	}
	user, role := "arn:aws:iam::111122223333:user/kim", "arn:aws:sts::111122223333:assumed-role/deployer/kim"
	update := call("c2", "ecs:UpdateService", role, "ASIA1", "", "req-2", at.Add(-2*time.Second))
	update.Keys.Origin = user
	f.records = append(f.records,
		item(at.Add(-time.Hour), "1", "6", ""), call("c1", "sts:AssumeRole", user, "AKIA1", "ASIA1", "req-1", at.Add(-time.Minute)),
		update, item(at, "2", "7", "req-2"))
	for i := range 40 {
		r := fleet.Record{
			ID: fmt.Sprint("s", i), Kind: fleet.KindSpan, Time: at.Add(time.Duration(i-20) * 20 * time.Second).Add(time.Second),
			Service: "payments", Name: fmt.Sprintf("POST /payments/%d", 1000+i), Duration: time.Duration(20+i) * time.Millisecond,
		}
		r.Keys.Trace, r.Keys.Span = fmt.Sprint("t", i), "1"
		if i >= 20 {
			r.Duration *= 10
			if i%2 == 0 {
				r.Error = "fault"
			}
		}
		other := r
		other.ID, other.Service, other.Name, other.Error, other.Duration = r.ID+"o", "orders", "POST /orders", "", time.Duration(30+i%3)*time.Millisecond
		other.Keys.Span = "2"
		f.records = append(f.records, r, other)
	}
	fleet.Sort(f.records)
	return f
}

func TestChangesFrames(t *testing.T) {
	frames(t, []view{
		{"changes", released(), "", "tab tab"},
		{"changes-sample", sample(), "", "tab tab down"},
		{"changes-empty", &fake{}, "", "tab tab"},
		{"changes-error", &fake{err: errDown}, "", "tab tab"},
		{"timeline", released(), "", "tab tab enter"},
		{"timeline-who", released(), "", "tab tab enter enter"},
		{"principals", released(), "", "tab tab tab"},
		{"calls", released(), "", "tab tab tab down enter w"},
		{"calls-detail", released(), "", "tab tab tab a enter"},
	})
}

func TestDiffOfTwoItems(t *testing.T) {
	before := fleet.Record{Raw: []byte(`{"configuration":{"a":1,"b":{"c":"x"},"gone":true,"list":[1,2]},"tags":{"t":"1"}}`)}
	after := fleet.Record{Raw: []byte(`{"configuration":{"a":2,"b":{"c":"x"},"list":[1,3,4]},"tags":{"t":"1","u":"2"}}`)}
	want := []fieldChange{{"a", "1", "2"}, {"gone", "true", ""}, {"list.1", "2", "3"}, {"list.2", "", "4"}, {"tags.u", "", "2"}}
	if diff := cmp.Diff(want, diffItems(&before, &after), cmp.AllowUnexported(fieldChange{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	lean := fleet.Record{Attributes: fleet.AttributesOf("configuration.a", "2", "resource_id", "r")}
	if diff := cmp.Diff([]fieldChange{{"a", "1", "2"}}, diffItems(&fleet.Record{Attributes: fleet.AttributesOf("configuration.a", "1")}, &lean), cmp.AllowUnexported(fieldChange{})); diff != "" {
		t.Errorf("of attributes (-want +got):\n%s", diff)
	}
	if got := (fieldChange{"taskDefinition", "arn:aws:ecs:x:task-definition/orders:6", "arn:aws:ecs:x:task-definition/orders:7"}).short(); got != "taskDefinition orders:6 → orders:7" {
		t.Errorf("short is %q", got)
	}
}

// TestWhatGotWorseIsToldAndNothingElse: after the release payments fail and are
// slower, orders are as they were.
func TestWhatGotWorseIsToldAndNothingElse(t *testing.T) {
	f := released()
	var change fleet.Record
	for _, r := range f.records {
		if r.ID == "payments@2" {
			change = r
		}
	}
	e := &env{reader: f, now: func() time.Time { return noon }}
	a := readAftermath(t.Context(), e.reader, &change, time.Time{}, &job{})
	if a.err != nil || a.call == nil || a.call.ID != "c2" {
		t.Fatalf("the call is %+v, error %v; want c2", a.call, a.err)
	}
	if diff := cmp.Diff([]string{"arn:aws:iam::111122223333:user/kim"}, a.chain); diff != "" {
		t.Errorf("obtained by (-want +got):\n%s", diff)
	}
	var got []string
	for _, x := range a.worse {
		got = append(got, fmt.Sprintf("%s %s fails %v %d/%d→%d/%d slower %v %s→%s", x.service, x.name, x.fails, x.erredWas, x.callsWas, x.errors, x.calls, x.slower, x.p50Was, x.p50))
	}
	want := []string{
		"payments POST /payments/* fails true 0/20→10/20 slower false 30ms→500ms",
		"payments POST /payments/* fails false 0/20→10/20 slower true 30ms→500ms",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestPrincipalsAreChained(t *testing.T) {
	f := released()
	var calls []fleet.Record
	for _, r := range f.records {
		if r.Kind == fleet.KindAPICall {
			calls = append(calls, r)
		}
	}
	roots := callers(calls)
	if len(roots) != 1 || principalName(roots[0].principal) != "user/kim" || len(roots[0].kids) != 1 ||
		principalName(roots[0].kids[0].principal) != "assumed-role/deployer/kim" {
		t.Errorf("the principals are %+v", roots)
	}
	// Two roles that assume each other are both there.
	a, b := calls[0], calls[0]
	a.Principal, a.Keys.AccessKey, a.Keys.IssuedKey = "a", "k1", "k2"
	b.Principal, b.Keys.AccessKey, b.Keys.IssuedKey = "b", "k2", "k1"
	if got := callerRows(callers([]fleet.Record{a, b}), "", 0); len(got) != 2 {
		t.Errorf("of two roles that assume each other %d are shown", len(got))
	}
}
