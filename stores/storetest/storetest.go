// Package storetest is the contract of a store of evidence, as tests that any
// store runs: what is committed comes back, once, in its newest state, and
// together with its checkpoints.
package storetest

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// Store is what the contract asks of a store. Methods may be called from
// several goroutines.
type Store interface {
	fleet.Reader
	Checkpoints(ctx context.Context) (map[string]time.Time, error)
	Fresh(ctx context.Context, records []fleet.Record) (fleet.Fresh, error)
	Commit(ctx context.Context, c fleet.Commit) (fleet.Snapshot, error)
	SaveFindings(ctx context.Context, run fleet.Run, findings []fleet.Finding) error
	Ledger(ctx context.Context, w fleet.Window) iter.Seq2[fleet.LedgerEntry, error]
}

// contractTest is one sentence of the contract.
type contractTest struct {
	name string
	test func(*testing.T, Store)
}

// Run holds a store to the contract. Open is called once for each test and
// returns an empty store, which it closes when the test ends.
func Run(t *testing.T, open func(t *testing.T) Store) {
	run(t, open, []contractTest{
		{"FreshDropsWhatIsLive", freshDropsWhatIsLive},
		{"FreshKeepsHighestRevisionOfABatch", freshKeepsHighestRevisionOfABatch},
		{"AmendmentOfNothingIsRefused", amendmentOfNothingIsRefused},
		{"CommitNamesItsSnapshot", commitNamesItsSnapshot},
		{"ConflictChangesNothing", conflictChangesNothing},
		{"CheckpointsComeWithRecords", checkpointsComeWithRecords},
		{"LedgerKeepsEntries", ledgerKeepsEntries},
		{"ReadersRunBesideAWriter", readersRunBesideAWriter},
	})
	RunReading(t, open)
}

// RunReading holds to the contract what is read from a store. A store that
// follows another one is held to this part alone: it has seen a commit once it
// has caught up, and until then any part of it.
func RunReading(t *testing.T, open func(t *testing.T) Store) {
	run(t, open, []contractTest{
		{"EmptyStoreAnswers", emptyStoreAnswers},
		{"RecordsComeBackAsTheyWere", recordsComeBackAsTheyWere},
		{"RevisionReplacesRecord", revisionReplacesRecord},
		{"AmendmentReplacesKeys", amendmentReplacesKeys},
		{"AmendmentOfThisCommitsRecord", amendmentOfThisCommitsRecord},
		{"FindingsKeepNewestState", findingsKeepNewestState},
		{"FindingsAreFilteredAndSorted", findingsAreFilteredAndSorted},
		{"QueryNarrows", queryNarrows},
		{"RecordsAreInOrder", recordsAreInOrder},
		{"TracesAreSummedUp", tracesAreSummedUp},
		{"FiltersJudgeTraces", filtersJudgeTraces},
		{"FiltersLookBeyondTheWindow", filtersLookBeyondTheWindow},
		{"AnyIDOpensTheDossier", anyIDOpensTheDossier},
		{"RecordWithoutTraceOpensAlone", recordWithoutTraceOpensAlone},
		{"CorrelationOpensTheJourney", correlationOpensTheJourney},
		{"DossierFollowsAmendment", dossierFollowsAmendment},
		{"CancelledContextEnds", cancelledContextEnds},
	})
}

func run(t *testing.T, open func(t *testing.T) Store, tests []contractTest) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { tt.test(t, open(t)) })
	}
}

// commit commits records as Fresh sorts them, with everything else of c.
func commit(t *testing.T, s Store, records []fleet.Record, c fleet.Commit) {
	t.Helper()
	fresh, err := s.Fresh(t.Context(), records)
	if err != nil {
		t.Fatalf("Fresh: %v", err)
	}
	c.Base, c.Records, c.Revised = fresh.Base, fresh.Records, fresh.Revised
	if _, err := s.Commit(t.Context(), c); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// all gathers a sequence, which must not fail.
func all[T any](t *testing.T, seq iter.Seq2[T, error]) []T {
	t.Helper()
	var out []T
	for v, err := range seq {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func records(t *testing.T, s Store, q fleet.Query) []fleet.Record {
	t.Helper()
	return all(t, s.Records(t.Context(), q))
}

// same fails the test when two values differ.
func same[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// ids are the ids of records, in their order.
func ids(rs []fleet.Record) []string {
	out := make([]string, len(rs))
	for i := range rs {
		out[i] = rs[i].ID
	}
	return out
}
