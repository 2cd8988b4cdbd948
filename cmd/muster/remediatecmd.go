package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/spf13/cobra"
	"golang.org/x/time/rate"

	"muster/audit"
	"muster/fleet"
	"muster/notify"
)

// Bounds on what is triggered: a remedy changes an account, and who approves many
// at once should see what the first ones did.
const (
	remedyRate = rate.Limit(1) // a second
	remedyMost = 10            // a run
)

// remediateFlags shape the verb.
type remediateFlags struct {
	policies []string
	approve  []string
	as, note string
	again    bool
	really   bool
	most     uint16
	json     bool
}

func (a *app) remediateCommand() *cobra.Command {
	var f remediateFlags
	cmd := &cobra.Command{
		Use:   "remediate",
		Short: "Approve and trigger the remedies that policies name",
		Long: `A policy may name an SNS topic under remediate, whose subscriber (a Lambda function,
an SSM automation) puts right what the policy found. This lists the findings that stand
and have such a topic, and what would be sent. Nothing is sent without both: a person who
approves the finding by its id, and --remediate.

A remedy is triggered once for each time that its finding comes up; a finding that was
resolved and comes back needs an approval of its own. Who approved what and when, what was
sent and the topic's message id are kept in the folder remediations in the store's folder,
or <name>-remediations in the working directory for a store on S3. Where the answer of the
topic got lost, it is not asked again: --again allows another message.

"muster audit --remediate" and "muster run --remediate" trigger what is approved, too.`,
		Example: `  muster remediate --policies ./policies
  muster remediate --policies ./policies --approve 3f2a… --note OPS-42
  muster remediate --policies ./policies --remediate
  muster remediate --policies ./policies --json | jq 'select(.stage == "sent")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.remediate(cmd.Context(), &f) },
	}
	fs := cmd.Flags()
	fs.StringArrayVar(&f.policies, "policies", nil, "`folder` with policies, instead of the shipped ones, which name no topic; repeatable")
	fs.StringArrayVar(&f.approve, "approve", nil, "`id` of a finding whose remedy may be triggered; repeatable")
	fs.StringVar(&f.as, "as", "", "`name` of who approves; default the user of this machine")
	fs.StringVar(&f.note, "note", "", "why, or the ticket: kept with the approval and sent along")
	fs.BoolVar(&f.again, "again", false, "with --approve: allow another message where one was, or may have been, sent")
	fs.BoolVar(&f.really, "remediate", false, "trigger what is approved; without it nothing is sent")
	fs.Uint16Var(&f.most, "most", remedyMost, "how many remedies are triggered at most")
	fs.BoolVar(&f.json, "json", false, "one JSON object a line")
	return cmd
}

func (a *app) remediate(ctx context.Context, f *remediateFlags) error {
	ps, err := loadPolicies(f.policies)
	if err != nil {
		return err
	}
	store, err := a.openExisting(ctx, true)
	if err != nil {
		return err
	}
	defer store.Close()
	fs, err := allFindings(ctx, store)
	if err != nil {
		return err
	}
	if err := a.approve(f, fs, ps); err != nil {
		return err
	}
	var sent error
	if f.really {
		sent = a.trigger(ctx, fs, ps, int(f.most), environment(ctx))
	}
	offers, err := a.remedies().Offers(fs, topics(ps))
	if err != nil {
		return errors.Join(sent, err)
	}
	return errors.Join(sent, a.showRemedies(f, offers))
}

// remedies are the records beside the store.
func (a *app) remedies() notify.Remedies { return notify.Remedies{Folder: a.beside("remediations")} }

// topics are those that policies name, by policy.
func topics(ps []audit.Policy) map[string]string {
	out := map[string]string{}
	for i := range ps {
		if ps[i].Remediate != "" {
			out[ps[i].ID] = ps[i].Remediate
		}
	}
	return out
}

func allFindings(ctx context.Context, store fleet.Reader) ([]fleet.Finding, error) {
	var out []fleet.Finding
	for f, err := range store.Findings(ctx, fleet.Query{}) {
		if err != nil {
			return nil, fmt.Errorf("read the findings: %w", err)
		}
		out = append(out, f)
	}
	return out, nil
}

// approve records the approvals of the command line.
func (a *app) approve(f *remediateFlags, fs []fleet.Finding, ps []audit.Policy) error {
	by := f.as
	if by == "" && len(f.approve) > 0 {
		me, err := user.Current()
		if err != nil {
			return fmt.Errorf("who approves is not known: %w: give --as", err)
		}
		by = me.Username
	}
	named := topics(ps)
	for _, id := range f.approve {
		i := slices.IndexFunc(fs, func(f fleet.Finding) bool { return f.Fingerprint == id })
		if i < 0 {
			return fmt.Errorf("finding %q: there is none with this id: see muster remediate, or muster findings --json", id)
		}
		if _, err := a.remedies().Approve(fs[i], named[fs[i].Policy], by, f.note, time.Now(), f.again); err != nil {
			return err
		}
	}
	return nil
}

// environment is the AWS account of the environment.
func environment(ctx context.Context) func() (aws.Config, error) {
	return func() (aws.Config, error) { return (&awsFlags{}).config(ctx) }
}

// trigger sends what is approved of the findings, and says so on standard error.
func (a *app) trigger(ctx context.Context, fs []fleet.Finding, ps []audit.Policy, most int, config func() (aws.Config, error)) error {
	r := a.remedies()
	if err := r.Close(fs, time.Now()); err != nil {
		return err
	}
	offers, err := r.Offers(fs, topics(ps))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(offers, func(o notify.Remedy) bool { return o.Stage == notify.Approved }) {
		return nil
	}
	cfg, err := config()
	if err != nil {
		return err
	}
	// Asked for now: a message without credentials is not sent, and would be taken
	// for one whose answer got lost.
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("trigger remedies: no AWS credentials: %w: nothing was sent", err)
	}
	sent, left, err := r.Send(ctx, offers, notify.Sender{
		Publisher: notify.Trigger{Client: sns.NewFromConfig(cfg)}, Rate: remedyRate, Most: most, Now: time.Now,
	})
	for _, m := range sent {
		fmt.Fprintf(a.stderr, "muster: triggered %s for finding %s, approved by %s: message %s\n",
			m.Topic, m.Finding.Fingerprint, fleet.Printable(m.ApprovedBy), fleet.Printable(m.MessageID))
	}
	if left > 0 {
		fmt.Fprintf(a.stderr, "muster: %d approved remedies are left for the next run: --most allows %d\n", left, most)
	}
	return err
}

// afterAudit triggers what is approved, or says what waits for an approval.
func (a *app) afterAudit(ctx context.Context, store fleet.Reader, ps []audit.Policy, really bool, config func() (aws.Config, error)) error {
	if len(topics(ps)) == 0 {
		if really {
			return errors.New("--remediate: no policy names a topic under remediate")
		}
		return nil
	}
	fs, err := allFindings(ctx, store)
	if err != nil {
		return err
	}
	if really {
		return a.trigger(ctx, fs, ps, remedyMost, config)
	}
	if err := a.remedies().Close(fs, time.Now()); err != nil {
		return err
	}
	offers, err := a.remedies().Offers(fs, topics(ps))
	if err != nil {
		return err
	}
	count := map[notify.Stage]int{}
	for _, o := range offers {
		count[o.Stage]++
	}
	if count[notify.Proposed]+count[notify.Approved] > 0 {
		fmt.Fprintf(a.stderr, "muster: remedies: %d wait for an approval, %d are approved and not sent; see muster remediate\n",
			count[notify.Proposed], count[notify.Approved])
	}
	return nil
}

// offer is a remedy for scripts.
type offer struct {
	Fingerprint string `json:"fingerprint"`
	Policy      string `json:"policy"`
	Severity    string `json:"severity"`
	Resource    string `json:"resource"`
	Text        string `json:"message_of_finding"`
	Offered     string `json:"offered_topic"`
	notify.Remediation
}

func (a *app) showRemedies(f *remediateFlags, offers []notify.Remedy) error {
	if f.json {
		enc := json.NewEncoder(a.stdout)
		enc.SetEscapeHTML(false)
		for _, o := range offers {
			if err := enc.Encode(offer{o.Finding.Fingerprint, o.Finding.Policy, string(o.Finding.Severity), o.Finding.Resource, o.Finding.Message, o.Topic, o.Remediation}); err != nil {
				return err
			}
		}
		return nil
	}
	t := newTable([]string{"FINDING", "STAGE", "SEVERITY", "POLICY", "TOPIC", "APPROVED BY", "MESSAGE ID", "MESSAGE"}, 0, 1)
	for _, o := range offers {
		t.add([]string{
			o.Finding.Fingerprint, string(o.Stage), string(o.Finding.Severity), o.Finding.Policy,
			o.Topic[strings.LastIndexByte(o.Topic, ':')+1:], o.ApprovedBy, o.MessageID, o.Finding.Message,
		})
	}
	if t.empty() {
		fmt.Fprintln(a.stderr, "muster: nothing to trigger: no finding that is kept is of a policy that names a topic (remediate: in its file)")
		return nil
	}
	if err := t.print(a.stdout, a.width()); err != nil {
		return err
	}
	if f.really && !slices.ContainsFunc(offers, func(o notify.Remedy) bool { return o.Stage != notify.Proposed }) {
		fmt.Fprintln(a.stderr, "muster: nothing was sent: nothing is approved; muster remediate --approve ID does it")
	}
	if !f.really && slices.ContainsFunc(offers, func(o notify.Remedy) bool { return o.Stage == notify.Approved }) {
		fmt.Fprintln(a.stderr, "muster: a dry run: nothing was sent; --remediate triggers what is approved")
	}
	return nil
}
