package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
	"muster/samples"
	"muster/samples/truth"
	"muster/stores/lake"
)

// TestSimulatedDayIsRight holds a whole simulated day against its truth: the
// command itself fails where a join or a finding is not right.
func TestSimulatedDayIsRight(t *testing.T) {
	store := filepath.Join(t.TempDir(), "lake")
	out := mustMuster(t, "demo", "--days", "1", "--rate", "0.15", "--seed", "7", "--until", "2026-11-26T00:00:00Z", "--store", store)
	if !strings.Contains(out, "everything is as the truth has it") {
		t.Fatal(out)
	}
	file, err := truth.Read(filepath.Join(store, "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lake.Open(t.Context(), store, lake.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	report, err := truth.Score(t.Context(), l, file)
	if err != nil {
		t.Fatal(err)
	}
	if e := report.Exact; e.Right == 0 || e.Precision() != 1 || e.Recall() != 1 {
		t.Errorf("exact joins: %+v", e)
	}
	checkConsequences(t, l, file)
	if len(file.Labels) < 30 {
		t.Fatalf("%d labels", len(file.Labels))
	}
	for _, l := range file.Labels {
		if l.Kind == truth.LabelFault && (l.Time.IsZero() || l.Until.Before(l.Time)) {
			t.Errorf("%s lasts from %s until %s", l.Name, l.Time, l.Until)
		}
		for column, ids := range map[string][]string{
			"trace_id": l.Traces, "correlation_id": l.Journeys, "request_id": l.Requests,
		} {
			if len(ids) == 0 {
				continue
			}
			n := count(t, store, fmt.Sprintf("select count(distinct %s) from records where %s in ('%s')", column, column, strings.Join(ids, "','")))
			if n != len(ids) {
				t.Errorf("%s: %d of %d ids are in %s: %v", l.Name, n, len(ids), column, ids)
			}
		}
		if l.Name == string(samples.RuleViolated) {
			checkVerdicts(t, store, l.Resources[0])
		}
		for _, id := range l.Messages {
			if n := count(t, store, "select count(*) from records where raw like '%"+id+"%'"); n == 0 {
				t.Errorf("%s: message %s is not there", l.Name, id)
			}
		}
	}
}

// consequences are policies that sum up, or follow from, what other policies find
// as well, with the fault or incident that each must show.
var consequences = map[string]string{
	"error-budget-spent": "retry-storm", "latency-budget-spent": "slow-dependency",
	"payload-size-outlier": "oversized-payload", "mixed-payload-formats": "poison-message",
	"unused-dependency": "registered-without-traffic", "drift-undone": "trail-stopped", "change-blast-radius": "manual-change",
}

// checkConsequences looks for a finding of each of them with evidence of its fault.
func checkConsequences(t *testing.T, l *lake.Lake, file *truth.File) {
	t.Helper()
	found := map[string]bool{}
	for f, err := range l.Findings(t.Context(), fleet.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if consequences[f.Policy] == "" || found[f.Policy] {
			continue
		}
		for r, err := range l.Records(t.Context(), fleet.Query{IDs: f.Evidence}) {
			if err != nil {
				t.Fatal(err)
			}
			found[f.Policy] = found[f.Policy] || slices.ContainsFunc(file.Labels, func(l truth.Label) bool {
				return l.Name == consequences[f.Policy] && (slices.Contains(l.Traces, r.Keys.Trace) || slices.Contains(l.Requests, r.Seen.Request) ||
					slices.ContainsFunc(r.Keys.Messages, func(id string) bool { return slices.Contains(l.Messages, id) }))
			})
		}
	}
	for policy, fault := range consequences {
		if !found[policy] {
			t.Errorf("no finding of %s has evidence of %s", policy, fault)
		}
	}
}

// checkVerdicts holds the compliance timeline of the group that violates the rule.
func checkVerdicts(t *testing.T, store, group string) {
	t.Helper()
	out := mustMuster(t, "sql", "--csv", "--store", store, fmt.Sprintf(
		"select name || ' ' || element_at(attributes, 'compliance') || ' ' || error as said from verdicts where list_contains(resources, '%s') order by time_us", group))
	want := []string{"said", "restricted-ssh COMPLIANT ", "restricted-ssh NON_COMPLIANT NON_COMPLIANT", "restricted-ssh COMPLIANT ", ""}
	if diff := cmp.Diff(want, strings.Split(out, "\n")); diff != "" {
		t.Errorf("verdicts on %s (-want +got):\n%s", group, diff)
	}
}

// notSimulated are the shapes of a live run that simulated days do not have, by
// a part of them.
var notSimulated = []string{
	// muster's own reading of the stand-in is no evidence of the fleet.
	"api_call cloudtrail ", "api_call config ", "api_call xray ", "api_call states ", "api_call logs logs:DescribeLogGroups ",
	// The live incidents make the user, the key and the bucket that they are about,
	// and go about some in another way; the simulated ones find them there.
	"api_call iam ", "api_call kms ", "api_call s3 s3:PutBucketPolicy ", "api_call sqs sqs:SetQueueAttributes ",
	"api_call sts sts:GetCallerIdentity ", "change iam OK ", " configuration.userName", " configuration.userId",
	"change kms ", "change s3 OK ", "change sqs OK ",
	// Inventory calls nobody but under one fault, and opens a connection by chance.
	"span inventory connect ", "span inventory dial ",
}

// TestSimulatedDayHasTheShapeOfTheFleet compares what kinds of records there are
// and what they say with a live run.
func TestSimulatedDayHasTheShapeOfTheFleet(t *testing.T) {
	live, simulated := filepath.Join(t.TempDir(), "live"), filepath.Join(t.TempDir(), "simulated")
	mustMuster(t, "demo", "--headless", "--for", "12s", "--seed", "7", "--store", live)
	mustMuster(t, "demo", "--days", "1", "--rate", "0.15", "--seed", "7", "--until", "2026-11-26T00:00:00Z", "--store", simulated)
	have := shapes(t, simulated)
	for _, s := range shapes(t, live) {
		if _, found := slices.BinarySearch(have, s); found {
			continue
		}
		if !slices.ContainsFunc(notSimulated, func(part string) bool { return strings.Contains(s, part) }) {
			t.Errorf("not in the simulated day: %s", s)
		}
	}
}

// shapes are the kinds, services, names and attributes of a store's records,
// without the ids and addresses in names.
func shapes(t *testing.T, store string) []string {
	t.Helper()
	out := mustMuster(t, "sql", "--csv", "--store", store, `select distinct kind || ' ' || service || ' ' ||
		regexp_replace(regexp_replace(regexp_replace(name, 'order-[a-z0-9]+-[a-z0-9]+', '{id}', 'g'), '(127|10)[.][0-9.]+:[0-9]+', '{host}', 'g'), '/(prod|canary)/v[12]', '', 'g')
		|| ' ' || regexp_replace(key, '[.][0-9]+', '.n', 'g') as shape from (select kind, service, name, unnest(map_keys(attributes)) as key from records) order by 1`)
	rows, err := csv.NewReader(strings.NewReader(out)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, row := range rows[1:] {
		all = append(all, row[0])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestSimulatedDaysRefuseWhatCannotBe also holds that a refusal leaves no store.
func TestSimulatedDaysRefuseWhatCannotBe(t *testing.T) {
	for flags, want := range map[string]string{
		"--days=-1":                    "--days -1",
		"--days=401":                   "--days 401",
		"--days=1 --rate=0":            "--rate 0",
		"--days=1 --rate=NaN":          "--rate NaN",
		"--days=1 --rate=1e9":          "--rate 1e+09",
		"--days=1 --until=yesterday":   "yesterday",
		"--days=1 --fault=retry-storm": "--fault is for the running fleet",
	} {
		store := filepath.Join(t.TempDir(), "lake")
		_, stderr, code := muster(t, append([]string{"demo", "--store", store}, strings.Fields(flags)...)...)
		if code != exitFailure || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit %d, %q, want one with %q", flags, code, stderr, want)
		}
		if _, err := os.Stat(store); !os.IsNotExist(err) {
			t.Errorf("%s leaves a store: %v", flags, err)
		}
	}
}
