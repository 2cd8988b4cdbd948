package lake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"muster/fleet"
)

const (
	// EraseStream is the stream of the ledger's entries about erasures, and
	// reasonErased why evidence is missing.
	EraseStream  = "erase"
	reasonErased = "erased"
	// erased stands in findings, runs and the ledger where the subject stood.
	erased = "[erased]"
	// eraseTries is how often an erasure starts over because other writers
	// changed the files that it was rewriting.
	eraseTries = 20
)

// Erasure says whom Erase removes.
type Erasure struct {
	// Subject is a principal's name or ARN, a user id, an e-mail, an address. A
	// record goes when it stands whole in any of its text columns, the values of
	// its attributes, or its evidence, whatever the letters' case.
	Subject string
	// DryRun looks and removes nothing.
	DryRun bool
	// Confirm, when set, is asked before anything is removed; an error ends it.
	Confirm func(Erased) error
}

// Erased says what an erasure removed, or would remove.
type Erased struct {
	// Hash stands for the subject in the ledger. It is keyed by the lake's
	// identity: whoever has lake and name can compute it, and nobody else guess it.
	Hash     string         `json:"hash"`
	Kinds    map[string]int `json:"kinds"`   // records by kind
	Columns  map[string]int `json:"columns"` // rows by the column that names the subject
	Files    int            `json:"files"`   // rewritten
	Findings int            `json:"findings"`
	// Altered are findings, runs and ledger entries that stay without the name,
	// or without the records as evidence.
	Altered   int `json:"altered"`
	Snapshots int `json:"snapshots"` // forgotten, so that the old files are gone
	// Unswept are files of interrupted commits that are too young to be removed
	// and were not looked into.
	Unswept int `json:"unswept"`
	// Refs are the records, and Fingerprints the findings: what a copy of the
	// lake elsewhere has to remove too.
	Refs         []fleet.Ref `json:"-"`
	Fingerprints []string    `json:"-"`
}

// Records is the number of records.
func (e *Erased) Records() int { return len(e.Refs) }

// Erase removes every record that names a subject, with all its revisions, and
// what findings, runs and the ledger say of it; then it forgets all snapshots
// before, so that the old files are removed, and leaves an entry in the ledger
// with a hash. Readers that began before may fail. Copies elsewhere, such as in
// OpenSearch, keep what they have: see Erased.Refs.
func (l *Lake) Erase(ctx context.Context, e Erasure) (Erased, error) {
	if l.options.ReadOnly && !e.DryRun {
		return Erased{}, errReadOnly
	}
	s, err := newSubject(e.Subject)
	if err != nil {
		return Erased{}, err
	}
	x := eraser{lake: l, subject: s, scanned: map[string][]hit{}, refs: map[recordKey]fleet.Ref{}, columns: map[string]int{}}
	if x.done.Hash, err = l.subjectHash(ctx, e.Subject); err != nil {
		return Erased{}, err
	}
	if err := x.run(ctx, &e); err != nil {
		return x.report(), fmt.Errorf("erase: %w", err)
	}
	return x.report(), nil
}

// subjectHash is HMAC-SHA256 of the subject in lower case, keyed by the lake's
// identity.
func (l *Lake) subjectHash(ctx context.Context, text string) (string, error) {
	id, err := l.Identity(ctx)
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(id))
	mac.Write([]byte(strings.ToLower(strings.TrimSpace(text))))
	return hex.EncodeToString(mac.Sum(nil)), nil
}

// hit is a row of a file that names the subject.
type hit struct {
	id  idHash
	ref fleet.Ref
}

// recordKey is what makes a record one.
type recordKey struct {
	dayKey
	id idHash
}

// eraser removes one subject.
type eraser struct {
	lake    *Lake
	subject *subject
	scanned map[string][]hit // by file, which never changes
	refs    map[recordKey]fleet.Ref
	columns map[string]int
	done    Erased
}

func (x *eraser) run(ctx context.Context, e *Erasure) error {
	all, err := x.look(ctx)
	if err != nil {
		return err
	}
	x.done.Files = countFiles(all)
	if err := x.small(ctx, true); err != nil {
		return err
	}
	if e.DryRun {
		return nil
	}
	if e.Confirm != nil {
		if err := e.Confirm(x.report()); err != nil {
			return err
		}
	}
	x.done.Files = 0
	for range eraseTries {
		if len(all) == 0 {
			return x.finish(ctx)
		}
		err := x.rewrite(ctx, all)
		switch {
		case err == nil:
			x.done.Files += countFiles(all)
		case !errors.Is(err, errPartChanged):
			return err
		}
		// Whatever others committed meanwhile is looked into as well.
		if all, err = x.look(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("other programs changed the same files %d times", eraseTries)
}

// affected are the files of a part with rows of records to remove.
type affected struct {
	part    *part
	deletes map[string]iceberg.DataFile
	gone    map[idHash]bool
	files   []partFile
}

func countFiles(all []affected) int {
	n := 0
	for i := range all {
		n += len(all[i].files)
	}
	return n
}

// look scans the files that were not scanned before.
func (x *eraser) look(ctx context.Context) ([]affected, error) {
	tbl, err := x.lake.catalog.LoadTable(ctx, table.Identifier{namespace, tableEvidence})
	if err != nil {
		return nil, err
	}
	parts, deletes, err := planParts(ctx, tbl, iceberg.AlwaysTrue{})
	if err != nil {
		return nil, err
	}
	var all []affected
	for _, p := range parts {
		a := affected{part: p, deletes: deletes, gone: map[idHash]bool{}}
		for i := range p.files {
			hits, err := x.scan(ctx, &p.files[i])
			if err != nil {
				return nil, err
			}
			for _, h := range hits {
				a.gone[h.id] = true
				x.refs[recordKey{p.key, h.id}] = h.ref
			}
		}
		if len(a.gone) == 0 {
			continue
		}
		if err := x.holders(ctx, &a); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

func (x *eraser) scan(ctx context.Context, f *partFile) ([]hit, error) {
	if hits, ok := x.scanned[f.name]; ok {
		return hits, nil
	}
	hits := []hit{}
	err := readParquet(x.lake.files(ctx), f.name, func(_ int64, r *row) error {
		columns := x.subject.columns(r)
		for _, c := range columns {
			x.columns[c]++
		}
		if len(columns) > 0 {
			ref := fleet.Ref{ID: r.ID, Kind: fleet.Kind(r.Kind), Time: time.UnixMicro(r.TimeUS).UTC()}
			hits = append(hits, hit{hashID(r.ID), ref})
		}
		return ctx.Err()
	})
	x.scanned[f.name] = hits
	return hits, err
}

// holders finds the files with a row of the records, also those whose rows of
// them do not name the subject.
func (x *eraser) holders(ctx context.Context, a *affected) error {
	for i := range a.part.files {
		f := &a.part.files[i]
		found := false
		err := readParquet(x.lake.files(ctx), f.name, func(_ int64, r *evidenceID) error {
			found = found || a.gone[hashID(r.ID)]
			return ctx.Err()
		})
		if err != nil {
			return err
		}
		if found {
			a.files = append(a.files, *f)
		}
	}
	return nil
}

// rewrite replaces the affected files by ones without the records, in one commit.
func (x *eraser) rewrite(ctx context.Context, all []affected) error {
	var replaced []rewritten
	drop := func(err error) error {
		for _, r := range replaced {
			err = errors.Join(err, x.lake.removeStreamed(ctx, r.new))
		}
		return err
	}
	for i := range all {
		r, err := x.rewritePart(ctx, &all[i])
		replaced = append(replaced, r)
		if err != nil {
			return drop(err)
		}
	}
	err := x.lake.replaceAll(ctx, replaced, false)
	if errors.Is(err, errPartChanged) || errors.Is(err, table.ErrCommitFailed) {
		return drop(err)
	}
	return err
}

func (x *eraser) rewritePart(ctx context.Context, a *affected) (rewritten, error) {
	r := rewritten{key: a.part.key, old: a.files}
	f := x.lake.files(ctx)
	d, err := a.part.findDeleted(f)
	if err != nil {
		return r, err
	}
	names := map[string]bool{}
	byAmends := map[bool][]partFile{}
	for _, file := range a.files {
		names[file.name] = true
		byAmends[file.amends] = append(byAmends[file.amends], file)
	}
	if r.settled, err = a.part.settled(f, a.deletes, names); err != nil {
		return r, err
	}
	w := rewriter{lake: x.lake, limits: standardLimits, keep: func(r *row) bool { return !a.gone[hashID(r.ID)] }}
	for amends, old := range byAmends {
		files, err := w.rewrite(ctx, partition{a.part.key, amends}, old, d)
		r.new = append(r.new, files...)
		if err != nil {
			return r, err
		}
	}
	return r, nil
}

// finish removes the name from the small tables and the old files from the
// disk, and writes the ledger's entry.
func (x *eraser) finish(ctx context.Context) error {
	if err := x.small(ctx, false); err != nil {
		return err
	}
	if err := x.lake.saveLedger(ctx, []fleet.LedgerEntry{x.entry()}); err != nil {
		return err
	}
	for _, t := range layouts() {
		n, orphans, err := x.lake.forget(ctx, t.name)
		if err != nil {
			return fmt.Errorf("remove old files of table %s: %w", t.name, err)
		}
		x.done.Snapshots += n
		x.done.Unswept += orphans
	}
	return nil
}

// entry is what the ledger keeps: how much went, from when to when, and the hash.
func (x *eraser) entry() fleet.LedgerEntry {
	now := x.lake.options.Now().UTC()
	e := fleet.LedgerEntry{
		Stream: EraseStream, Window: fleet.Window{Start: now, End: now.Add(time.Microsecond)},
		Coverage: fleet.Partial, Reason: reasonErased, Records: len(x.refs),
		Detail: fmt.Sprintf("subject %s: %d records", x.done.Hash, len(x.refs)),
	}
	first := true
	for _, r := range x.refs {
		if first || r.Time.Before(e.Window.Start) {
			e.Window.Start = r.Time
		}
		if end := r.Time.Add(time.Microsecond); first || end.After(e.Window.End) {
			e.Window.End = end
		}
		first = false
	}
	return e
}

func (x *eraser) report() Erased {
	out := x.done
	out.Kinds, out.Columns = map[string]int{}, x.columns
	for k, r := range x.refs {
		out.Kinds[k.kind]++
		out.Refs = append(out.Refs, r)
	}
	slices.SortFunc(out.Refs, func(a, b fleet.Ref) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}
