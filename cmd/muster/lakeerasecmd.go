package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"muster/stores/lake"
)

// erasedRecords are the patterns of the indices of an OpenSearch copy that
// hold records, and erasedFindings that of its findings.
const (
	erasedRecords  = "muster-api-calls-*,muster-changes-*,muster-verdicts-*,muster-other-*,logs-otel-v1-muster-*,otel-v1-apm-span-muster-*"
	erasedFindings = "muster-findings*"
	// erasedAtOnce is how many ids one query of OpenSearch takes.
	erasedAtOnce = 10_000
)

func (a *app) lakeEraseCommand() *cobra.Command {
	var subject, copyFile string
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "erase --subject TEXT",
		Short: "Remove one person's records everywhere",
		Long: `Remove every record that names a person: a principal's name or ARN, a user id, an
e-mail or an address. It must stand whole, whatever its letters' case, in a text
column, in a value of the attributes, in what was touched, or in the evidence itself;
alice@example.com is not found in malice@example.com. Findings that name the person or
rest on nothing else go too, and the name is taken out of runs and the ledger. The
old files are removed at once, so that a query that runs meanwhile may fail.

Without --yes it only says what would go. The ledger keeps how much was removed, and
a hash of the subject instead of its text.

A copy in OpenSearch keeps what it has: --opensearch-delete writes the queries for
its _delete_by_query that remove the same there, as bodies of one line each.`,
		Example: `  muster lake erase --subject alice@example.com
  muster lake erase --subject alice@example.com --opensearch-delete erase.ndjson --yes`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if subject == "" {
				return errors.New("say whom to erase: --subject TEXT")
			}
			store, err := a.openExisting(cmd.Context(), !yes)
			if err != nil {
				return err
			}
			defer store.Close()
			return a.erase(cmd, store, lake.Erasure{Subject: subject, DryRun: !yes}, copyFile, asJSON)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&subject, "subject", "", "`text` that stands for the person")
	fs.StringVar(&copyFile, "opensearch-delete", "", "`file` for the queries that remove the same from a copy in OpenSearch")
	fs.BoolVar(&yes, "yes", false, "remove it, for good")
	fs.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func (a *app) erase(cmd *cobra.Command, store *lake.Lake, e lake.Erasure, copyFile string, asJSON bool) error {
	e.Confirm = func(found lake.Erased) error { // before anything goes, since the ids go too
		if copyFile == "" {
			return nil
		}
		return writeDeletes(copyFile, &found)
	}
	done, err := store.Erase(cmd.Context(), e)
	if err != nil {
		return err
	}
	if copyFile != "" {
		if err := writeDeletes(copyFile, &done); err != nil {
			return err
		}
	}
	if asJSON {
		return newJSONLines(a.stdout).Encode(done)
	}
	did, hint := "removed", ""
	if e.DryRun {
		did, hint = "would remove", "\nmuster: nothing was removed: add --yes to do it, for good"
	}
	fmt.Fprintf(a.stdout, "erase: %s %s (%s) by rewriting %s, %s; %s without the name\n", did,
		countText(done.Records(), "record", "records"), countsText(done.Kinds),
		countText(done.Files, "file", "files"), countText(done.Findings, "finding", "findings"),
		countText(done.Altered, "finding, run or ledger entry stays", "findings, runs or ledger entries stay"))
	if len(done.Columns) > 0 {
		fmt.Fprintf(a.stdout, "erase: rows that name the subject, by column: %s\n", countsText(done.Columns))
	}
	if !e.DryRun {
		fmt.Fprintf(a.stdout, "erase: forgot %s; the ledger has it as %s\n", countText(done.Snapshots, "snapshot", "snapshots"), done.Hash)
	}
	if done.Unswept > 0 {
		fmt.Fprintf(a.stderr, "muster: %s of interrupted commits, younger than a day, were not looked into: erase again tomorrow\n", countText(done.Unswept, "file", "files"))
	}
	if done.Records() > 0 {
		a.adviseCopy(copyFile)
	}
	if hint != "" {
		fmt.Fprintln(a.stderr, hint[1:])
	}
	return nil
}

// adviseCopy says how a copy in OpenSearch is to follow.
func (a *app) adviseCopy(copyFile string) {
	if copyFile == "" {
		fmt.Fprintln(a.stderr, "muster: a copy in OpenSearch keeps these records: with --opensearch-delete FILE muster writes the queries that remove them there")
		return
	}
	fmt.Fprintf(a.stderr, `muster: to remove the same from OpenSearch, once it has followed to the end (muster opensearch follow --once):
  while read -r index body; do curl -fsS -X POST -H 'content-type: application/json' "$OPENSEARCH/$index/_delete_by_query?conflicts=proceed&refresh=true" -d "$body"; done < %s
`, copyFile)
}

// writeDeletes writes for each query its indices and its body, one a line.
func writeDeletes(name string, e *lake.Erased) error {
	var b strings.Builder
	add := func(index, field string, ids []string) error {
		for chunk := range slices.Chunk(ids, erasedAtOnce) {
			body, err := json.Marshal(map[string]any{"query": map[string]any{"terms": map[string]any{field: chunk}}})
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %s\n", index, body)
		}
		return nil
	}
	ids := make([]string, 0, len(e.Refs))
	for _, r := range e.Refs {
		ids = append(ids, r.ID)
	}
	if err := errors.Join(add(erasedRecords, "muster.id", ids), add(erasedFindings, "fingerprint", e.Fingerprints)); err != nil {
		return err
	}
	if err := os.WriteFile(name, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("--opensearch-delete: %w", err)
	}
	return nil
}

// countsText lists counts by name.
func countsText(counts map[string]int) string {
	if len(counts) == 0 {
		return "none"
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return strings.Join(out, ", ")
}
