package collectors

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"muster/fleet"
)

// sampledScript is an X-Ray without traces, with sampling as given.
func sampledScript(statistics, rules string) *script {
	return &script{answers: map[string][]answer{
		"/GetTraceSegmentDestination": {{body: `{"Destination":"XRay","Status":"ACTIVE"}`}},
		"/TraceSummaries":             {{body: `{"TraceSummaries":[]}`}},
		"/SamplingStatisticSummaries": {{body: statistics}},
		"/GetSamplingRules":           {{body: rules}},
		"/Groups": {
			{body: `{"Groups":[{"GroupName":"Default"}],"NextToken":"n"}`},
			{body: `{"Groups":[{"GroupName":"slow","FilterExpression":"responsetime > 5"}]}`},
		},
	}}
}

func TestLedgerSaysWhatShareIsSampled(t *testing.T) {
	statistics := func(at int64, requests, kept int) string {
		return fmt.Sprintf(`{"SamplingStatisticSummaries":[{"RuleName":"Default","Timestamp":%d,"RequestCount":%d,"SampledCount":%d}]}`, at, requests, kept)
	}
	in := noon.Unix() - 60
	rules := func(rate string) string {
		return `{"SamplingRuleRecords":[{"SamplingRule":{"RuleName":"Default","FixedRate":` + rate + `,"ReservoirSize":1,"Priority":1,"Version":1,"Host":"*","HTTPMethod":"*","ResourceARN":"*","ServiceName":"*","ServiceType":"*","URLPath":"*"}}]}`
	}
	for name, c := range map[string]struct {
		statistics, rules string
		reason, detail    string
	}{
		"measured":                  {statistics(in, 200, 11), rules("1"), "sampled", "kept 11 of 200 requests (5.5 %)"},
		"measured, and all kept":    {statistics(in, 200, 200), rules("0.05"), "", ""},
		"of another time, by rules": {statistics(in-7200, 200, 200), rules("0.05"), "sampled", "Default keeps 1 requests a second and 5 % of the others"},
		"by rules that keep all":    {`{"SamplingStatisticSummaries":[]}`, rules("1"), "", ""},
		"nobody can tell":           {`[`, rules("0.05"), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := collect(t.Context(), scripted(t, sampledScript(c.statistics, c.rules), Options{Sources: []string{SourceXRay}}), lastHour)
			if got.err != nil || len(got.ledger) != 1 || got.ledger[0].Reason != c.reason || !strings.Contains(got.ledger[0].Detail, c.detail) {
				t.Errorf("ledger %+v, %v", got.ledger, got.err)
			}
			if !got.through[len(got.through)-1].Equal(lastHour.End) {
				t.Errorf("marks %v", got.through)
			}
		})
	}
}

func TestGroupOfTracesRestrictsTheSummaries(t *testing.T) {
	s := sampledScript(`{"SamplingStatisticSummaries":[]}`, `{"SamplingRuleRecords":[]}`)
	c := scripted(t, s, Options{Sources: []string{SourceXRay}, XRayGroup: "slow"})
	got := collect(t.Context(), c, lastHour)
	if got.err != nil || got.ledger[0].Reason != "filtered" || !strings.Contains(got.ledger[0].Detail, "responsetime > 5") || got.ledger[0].Coverage != fleet.Partial {
		t.Errorf("ledger %+v, %v", got.ledger, got.err)
	}
	if c.Stream() == scripted(t, s, Options{Sources: []string{SourceXRay}}).Stream() {
		t.Error("a group has the marks of all traces")
	}
	for _, in := range s.calls("/TraceSummaries") {
		if in["FilterExpression"] != "responsetime > 5" {
			t.Errorf("asked for %v", in)
		}
	}
	none := collect(t.Context(), scripted(t, sampledScript("", ""), Options{Sources: []string{SourceXRay}, XRayGroup: "none"}), lastHour)
	if none.err == nil || !strings.Contains(none.err.Error(), `no group "none" here; it has Default, slow`) {
		t.Errorf("got %v", none.err)
	}
	searched := sampledScript("", "")
	searched.answers["/GetTraceSegmentDestination"] = []answer{{http.StatusOK, `{"Destination":"CloudWatchLogs","Status":"ACTIVE"}`}}
	if got := collect(t.Context(), scripted(t, searched, Options{Sources: []string{SourceXRay}, XRayGroup: "slow"}), lastHour); got.err == nil || !strings.Contains(got.err.Error(), "--xray-group") {
		t.Errorf("with Transaction Search: %v", got.err)
	}
	if got := strings.Join(allowed(t, Options{Sources: []string{SourceXRay}, XRayGroup: "slow"}), " "); !strings.Contains(got, "xray:GetGroups") {
		t.Errorf("allowed %s", got)
	}
}
