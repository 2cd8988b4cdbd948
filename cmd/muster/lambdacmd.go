package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/spf13/cobra"

	"muster/audit"
	"muster/audit/waiver"
	"muster/fleet"
	"muster/internal/pipeline"
	"muster/internal/schedule"
)

// lambdaMargin is what an invocation keeps of its time to say in the store that
// it has not come to an end: a commit to S3 takes a second or two.
const lambdaMargin = 10 * time.Second

// lambdaFlags shape the function. In Lambda they are environment variables.
type lambdaFlags struct {
	policies, waivers []string
	cron              string
	judge             time.Duration
	failOn            string
	notify            notifyFlags
	remedy            bool
}

func (a *app) lambdaCommand() *cobra.Command {
	var f lambdaFlags
	cmd := &cobra.Command{
		Use:   "lambda",
		Short: "The scheduled audit as a function on AWS Lambda",
		Long: `Serve AWS Lambda's runtime API: each invocation does the audit that is due by --audit-cron,
if one is, as "muster run" does, and answers what it found. The two may share a store: a
run is recorded there, so that neither overlaps the other, a second invocation of the same
time does nothing, and what was missed is caught up.

Set flags by environment variables: MUSTER_STORE=s3://bucket/prefix, MUSTER_AUDIT_CRON. What
was told and approved is kept in --state, a folder that outlives the function (EFS).

An invocation fails only when the audit could not be done, and Lambda then tries again.
Findings are no failure; the answer says "failed": true when one is at or above --fail-on.
An event with "since", and "until" if wanted, audits that window at once, whatever is due.`,
		Example: `  MUSTER_STORE=s3://evidence/lake MUSTER_AUDIT_CRON="15 2 * * *" muster lambda`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serveLambda(cmd.Context(), &f) },
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&f.policies, "policies", nil, "`folder` with policies, instead of the shipped ones; repeatable")
	fs.StringArrayVar(&f.waivers, "waivers", nil, "YAML `file` that says which findings are accepted, by whom and until when; repeatable")
	fs.StringVar(&f.cron, "audit-cron", "", "when audits are due (UTC): minute hour day month weekday, or @hourly, @daily, @weekly; as the rule that invokes the function")
	atLeast(fs, &f.judge, "audit-window", time.Second, 24*time.Hour, "how far back each audit judges")
	fs.StringVar(&f.failOn, "fail-on", string(fleet.Medium), `least severity for "failed": true in the answer: `+joinSeverities())
	f.notify.register(fs)
	fs.BoolVar(&f.remedy, "remediate", false, "after each audit trigger the remedies that were approved by muster remediate")
	return cmd
}

// auditFunction is what an invocation needs, made once.
type auditFunction struct {
	app      *app
	policies []audit.Policy
	waivers  []waiver.Waiver
	tells    *notifier
	schedule pipeline.Schedule
	least    fleet.Severity
	remedy   bool
}

func (a *app) serveLambda(ctx context.Context, f *lambdaFlags) error {
	const runtimeAPI = "AWS_LAMBDA_RUNTIME_API"
	if a.getenv(runtimeAPI) == "" {
		return fmt.Errorf("%s is not set: this verb is the function that AWS Lambda starts; elsewhere use muster audit, or muster run with --audit-cron", runtimeAPI)
	}
	function, err := a.auditFunction(ctx, f)
	if err != nil {
		return err
	}
	lambda.StartWithOptions(function.invoke, lambda.WithContext(ctx)) // it does not return
	return nil
}

func (a *app) auditFunction(ctx context.Context, f *lambdaFlags) (*auditFunction, error) {
	if f.cron == "" {
		return nil, errors.New("--audit-cron (MUSTER_AUDIT_CRON) is missing: give the schedule of the rule that invokes the function, such as \"15 2 * * *\"")
	}
	c, err := schedule.Parse(f.cron)
	if err != nil {
		return nil, fmt.Errorf("--audit-cron: %w", err)
	}
	least := fleet.Severity(f.failOn)
	if least.Rank() == 0 {
		return nil, fmt.Errorf("--fail-on %q: give one of %s", f.failOn, joinSeverities())
	}
	if a.onS3() && a.state == "" && (f.notify.any() || f.remedy) {
		return nil, errors.New("--state (MUSTER_STATE) is missing: without a folder that outlives the function, such as one on EFS, everything would be told again")
	}
	l := &auditFunction{
		app: a, least: least, remedy: f.remedy,
		schedule: pipeline.Schedule{Name: auditSchedule, Cron: c, Back: f.judge, Now: time.Now},
	}
	if l.policies, err = loadPolicies(f.policies); err != nil {
		return nil, err
	}
	if l.waivers, err = loadWaivers(f.waivers); err != nil {
		return nil, err
	}
	l.tells, err = a.notifier(&f.notify, environment(ctx))
	return l, err
}

// lambdaEvent is what the function is invoked with. EventBridge's own fields say
// nothing that the schedule does not know.
type lambdaEvent struct {
	Since string `json:"since"`
	Until string `json:"until"`
}

// lambdaAnswer is what an invocation did.
type lambdaAnswer struct {
	Ran bool   `json:"ran"`
	Why string `json:"why,omitempty"` // it did not
	Run string `json:"run,omitempty"`
	// From and To are the window.
	From      time.Time              `json:"from,omitzero"`
	To        time.Time              `json:"to,omitzero"`
	Policies  int                    `json:"policies,omitempty"`
	Findings  map[fleet.Severity]int `json:"findings,omitempty"` // that stand and are not waived
	NotJudged map[string]string      `json:"not_judged,omitempty"`
	Failed    bool                   `json:"failed"`
}

func (l *auditFunction) invoke(ctx context.Context, raw json.RawMessage) (lambdaAnswer, error) {
	var event lambdaEvent
	if err := json.Unmarshal(raw, &event); err != nil {
		return lambdaAnswer{}, fmt.Errorf("the event is no object with since and until: %w", err)
	}
	if end, ok := ctx.Deadline(); ok {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, end.Add(-lambdaMargin))
		defer stop()
	}
	store, err := l.app.openExisting(ctx, false)
	if err != nil {
		return lambdaAnswer{}, err
	}
	defer store.Close()
	now := time.Now()
	job := pipeline.Job{Policies: l.policies, Now: now, Waivers: l.waivers, Ended: time.Now, Program: version()}
	var o pipeline.Outcome
	ran := true
	if event.Since != "" || event.Until != "" {
		if job.Window, err = event.window(); err != nil {
			return lambdaAnswer{}, err
		}
		o, err = job.Run(ctx, store)
	} else {
		// The first invocation ever judges what was due last.
		o, ran, err = l.schedule.Run(ctx, store, job, now.Add(-l.schedule.Back))
	}
	if err != nil {
		return lambdaAnswer{}, err
	}
	if !ran {
		return lambdaAnswer{Why: "no audit is due by " + l.schedule.Cron.String() + " that was not done, or one is under way"}, nil
	}
	answer := l.answer(o)
	return answer, errors.Join(l.tells.tell(ctx, store, l.policies, o), l.app.afterAudit(ctx, store, l.policies, l.remedy, environment(ctx)))
}

func (e lambdaEvent) window() (fleet.Window, error) {
	f := newWindowFlags(time.Now)
	if e.Since != "" {
		if err := f.since.Set(e.Since); err != nil {
			return fleet.Window{}, fmt.Errorf("since: %w", err)
		}
	}
	if e.Until != "" {
		if err := f.until.Set(e.Until); err != nil {
			return fleet.Window{}, fmt.Errorf("until: %w", err)
		}
	}
	return f.window()
}

func (l *auditFunction) answer(o pipeline.Outcome) lambdaAnswer {
	a := lambdaAnswer{
		Ran: true, Run: o.Run.ID, From: o.Run.Window.Start, To: o.Run.Window.End, Policies: o.Run.Policies,
		Findings: map[fleet.Severity]int{}, NotJudged: o.Run.NotJudged,
	}
	for i := range o.Findings {
		if f := &o.Findings[i]; f.Status != fleet.StatusResolved && f.Status != fleet.StatusWaived {
			a.Findings[f.Severity]++
			a.Failed = a.Failed || f.Severity.Rank() >= l.least.Rank()
		}
	}
	return a
}
