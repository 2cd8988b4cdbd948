package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/audit"
	"muster/audit/report"
	"muster/audit/waiver"
	"muster/fleet"
	"muster/internal/pipeline"
)

// auditFlags shape an audit.
type auditFlags struct {
	window   *windowFlags
	policies []string
	format   string
	out      string
	failOn   string
	strict   bool
	drained  bool
	waivers  []string
	baseline string
	newBase  string
	notify   notifyFlags
	remedy   bool
}

func (a *app) auditCommand() *cobra.Command {
	f := auditFlags{window: newWindowFlags(time.Now)}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Judge the evidence by policies and keep the findings",
		Long: `Judge a window of the evidence by the shipped policies, or by those in the folders
named by --policies, which then replace the shipped ones. A folder holds policies of
muster's own, Sigma rules and CloudWatch Logs filter patterns; they are told apart
by their content. The findings are kept in the store and printed.

Waivers are YAML: a list under "waivers", each with id, owner, reason, expires, and what
it covers. They are the only word on what is waived: without --waivers every finding
keeps its status. A waiver that is expired, covers nothing or covers too much is a
finding itself.

Exit codes: 0 nothing at or above --fail-on, 1 something is, 2 an error, and with
--strict 3 when nothing is but something could not be judged.`,
		Example: `  muster audit --since 24h --fail-on high
  muster audit --since 24h --format html --out report.html
  muster audit --waivers waivers.yaml --baseline before.json
  muster audit --policies ./policies --format json
  muster audit --policies sigma/rules/cloud/aws/cloudtrail`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.audit(cmd.Context(), &f) },
	}
	fs := cmd.Flags()
	fs.Var(&f.window.since, "since", "judge only what happened from then on")
	fs.Var(&f.window.until, "until", "judge only what happened before then")
	fs.StringArrayVar(&f.policies, "policies", nil, "`folder` with policies, instead of the shipped ones; repeatable")
	fs.StringVar(&f.format, "format", "table", "one of "+strings.Join(report.Formats(), ", "))
	fs.StringVar(&f.out, "out", "", "`file` for the report, replaced when it is complete; default standard output")
	fs.StringVar(&f.failOn, "fail-on", string(fleet.Medium), "least severity that fails: "+joinSeverities())
	fs.StringArrayVar(&f.waivers, "waivers", nil, "YAML `file` that says which findings are accepted, by whom and until when; repeatable")
	fs.StringVar(&f.baseline, "baseline", "", "`file` with findings that were there before: only others are reported, and fail")
	fs.StringVar(&f.newBase, "write-baseline", "", "`file` to write the findings that stand into, for --baseline")
	f.notify.register(fs)
	fs.BoolVar(&f.remedy, "remediate", false, "trigger the remedies that were approved by muster remediate")
	fs.BoolVar(&f.strict, "strict", false, "exit 3 when something could not be judged")
	fs.BoolVar(&f.drained, "drained", false, "the sources are known to be drained: wait for no late evidence")
	cmd.AddCommand(a.noiseCommand(), a.auditRunsCommand())
	return cmd
}

func (a *app) audit(ctx context.Context, f *auditFlags) error {
	least := fleet.Severity(f.failOn)
	if least.Rank() == 0 {
		return fmt.Errorf("--fail-on %q: give one of %s", f.failOn, joinSeverities())
	}
	if !slices.Contains(report.Formats(), f.format) {
		return fmt.Errorf("--format %q: give one of %s", f.format, strings.Join(report.Formats(), ", "))
	}
	w, err := f.window.window()
	if err != nil {
		return err
	}
	ps, err := loadPolicies(f.policies)
	if err != nil {
		return err
	}
	accepted, err := loadWaivers(f.waivers)
	if err != nil {
		return err
	}
	before, err := loadBaseline(f.baseline)
	if err != nil {
		return err
	}
	tells, err := a.notifier(&f.notify, environment(ctx))
	if err != nil {
		return err
	}
	store, err := a.openExisting(ctx, false)
	if err != nil {
		return err
	}
	defer store.Close()
	r, err := pipeline.Job{
		Policies: ps, Window: w, Now: time.Now(), Closed: f.drained, Waivers: accepted, Ended: time.Now, Program: version(),
	}.Run(ctx, store)
	if err != nil {
		return err
	}
	untold := errors.Join(tells.tell(ctx, store, ps, r), a.afterAudit(ctx, store, ps, f.remedy, environment(ctx))) // the report comes all the same
	r.Findings = slices.DeleteFunc(r.Findings, func(f fleet.Finding) bool { return f.Status == fleet.StatusResolved })
	if f.newBase != "" {
		if err := replaceFile(f.newBase, func(w io.Writer) error { return waiver.WriteBaseline(w, r.Findings, report.JSON) }); err != nil {
			return err
		}
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f fleet.Finding) bool { return before.Has(&f) })
	if err := a.report(ctx, f, store, ps, r); err != nil {
		return err
	}
	if untold != nil {
		return untold
	}
	return verdict(r.Result, least, f.strict)
}

// loadWaivers reads files of waivers; nil for none, which leaves every finding's
// status as it is.
func loadWaivers(files []string) ([]waiver.Waiver, error) {
	if len(files) == 0 {
		return nil, nil
	}
	all, owner := []waiver.Waiver{}, map[string]string{}
	var problems []error
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("waivers: %w", err)
		}
		ws, err := waiver.Parse(name, text)
		if err != nil {
			problems = append(problems, err)
		}
		for _, w := range ws {
			if first, taken := owner[w.ID]; taken {
				problems = append(problems, fmt.Errorf("%s:%d: the waiver %s is in %s, too; give one of the two another id", name, w.Line, w.ID, first))
			}
			owner[w.ID] = name
		}
		all = append(all, ws...)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return all, nil
}

func loadBaseline(name string) (waiver.Baseline, error) {
	if name == "" {
		return nil, nil
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("baseline: %w: write one with --write-baseline", err)
	}
	defer file.Close()
	return waiver.ReadBaseline(name, file)
}

// report writes what this audit found.
func (a *app) report(ctx context.Context, f *auditFlags, store fleet.Reader, ps []audit.Policy, r pipeline.Outcome) error {
	doc := report.Report{
		Run: r.Run, Version: version(), Policies: ps, Waiting: r.Waiting, Findings: r.Findings, Waived: r.Waived,
	}
	if f.out == "" {
		doc.Width = a.width()
	}
	evidence, traces := report.Needs(f.format)
	var err error
	if evidence {
		if doc.Evidence, err = pipeline.Evidence(ctx, store, doc.Findings); err != nil {
			return err
		}
		if doc.Changes, err = pipeline.LatestChanges(ctx, store, doc.Findings); err != nil {
			return err
		}
	}
	if traces {
		if doc.Traces, err = pipeline.TracesOf(ctx, store, doc.Findings); err != nil {
			return err
		}
	}
	if f.out == "" {
		return report.Write(a.stdout, f.format, &doc)
	}
	return replaceFile(f.out, func(w io.Writer) error { return report.Write(w, f.format, &doc) })
}

// replaceFile writes a file beside the one named and puts it in its place when
// it is whole, so that a reader never finds half of one.
func replaceFile(name string, write func(io.Writer) error) error {
	part, err := os.CreateTemp(filepath.Dir(name), filepath.Base(name)+".part-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	buffered := bufio.NewWriter(part)
	err = errors.Join(write(buffered), buffered.Flush(), part.Chmod(0o644), part.Close())
	if err == nil {
		err = os.Rename(part.Name(), name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", name, err), os.Remove(part.Name()))
	}
	return nil
}

// version is muster's own: of the module where it was built as one, else of the
// commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(len(s.Value), 12)]
		}
	}
	return ""
}

// verdict turns an audit into the exit code.
func verdict(r audit.Result, least fleet.Severity, strict bool) error {
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.Severity.Rank() >= least.Rank() && f.Status != fleet.StatusResolved && f.Status != fleet.StatusWaived {
			return &exitError{code: exitFindings}
		}
	}
	if strict && len(r.Run.NotJudged) > 0 {
		return &exitError{code: exitNotJudged, reason: fmt.Sprintf("%d policies could not be judged", len(r.Run.NotJudged))}
	}
	return nil
}

// loadPolicies loads the folders named, or the shipped catalogue.
func loadPolicies(dirs []string) ([]audit.Policy, error) {
	sources := []fs.FS{audit.Shipped()}
	if len(dirs) > 0 {
		sources = nil
		for _, d := range dirs {
			if info, err := os.Stat(d); err != nil {
				return nil, fmt.Errorf("policies: %w", err)
			} else if !info.IsDir() {
				return nil, fmt.Errorf("policies %s: not a folder", d)
			}
			sources = append(sources, os.DirFS(d))
		}
	}
	var all []audit.Policy
	seen := map[string]bool{}
	for i, s := range sources {
		ps, err := audit.Load(s)
		if err != nil {
			if len(dirs) > 0 {
				return nil, fmt.Errorf("policies in %s: %w", dirs[i], err)
			}
			return nil, err
		}
		for _, p := range ps {
			if seen[p.ID] {
				return nil, fmt.Errorf("policy %s is in more than one folder", p.ID)
			}
			seen[p.ID] = true
		}
		all = append(all, ps...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("policies in %v: there is none", dirs)
	}
	return all, nil
}
