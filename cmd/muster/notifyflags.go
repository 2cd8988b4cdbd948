package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/spf13/pflag"
	"golang.org/x/time/rate"

	"muster/audit"
	"muster/audit/report"
	"muster/audit/waiver"
	"muster/fleet"
	"muster/internal/pipeline"
	"muster/notify"
)

// notifyFlags say who is told of findings.
type notifyFlags struct {
	topics, buses []string
	hub           bool
	webhooks      string
	least         string
	dedup, group  time.Duration
}

func (f *notifyFlags) register(fs *pflag.FlagSet) {
	fs.StringArrayVar(&f.topics, "notify-sns", nil, "`ARN` of an SNS topic to tell of findings; repeatable")
	fs.StringArrayVar(&f.buses, "notify-eventbridge", nil, "name or ARN of an EventBridge `bus` to tell of findings; repeatable")
	fs.BoolVar(&f.hub, "notify-securityhub", false, "import findings into the account's Security Hub")
	fs.StringVar(&f.webhooks, "notify-webhooks", "", "`file` with addresses of Slack-style webhooks, one a line: they are secrets, and never printed")
	fs.StringVar(&f.least, "notify-least", string(fleet.High), "least severity that is told: "+joinSeverities())
	atLeast(fs, &f.dedup, "notify-again", 0, 24*time.Hour, "how long nothing is told again of a finding that was put right and came back")
	atLeast(fs, &f.group, "notify-group", 0, time.Hour, "findings of one policy this close to each other are one message; 0: all of it")
}

func (f *notifyFlags) any() bool {
	return len(f.topics)+len(f.buses) > 0 || f.hub || f.webhooks != ""
}

// notifier tells of findings after each audit.
type notifier struct {
	channels []notify.Channel
	options  notify.Options
	log      string // the file of what was told
	report   report.Report
}

// Bounds on what one audit tells through one channel: Slack takes a message a
// second, and nobody reads more than some dozens.
const (
	notifyRate = rate.Limit(1)
	notifyMost = 50
)

// notifier makes the channels; nil when nobody is to be told.
func (a *app) notifier(f *notifyFlags, config func() (aws.Config, error)) (*notifier, error) {
	if !f.any() {
		return nil, nil
	}
	n := &notifier{log: a.beside("notified.json"), report: report.Report{Version: version()}}
	n.options = notify.Options{
		Least: fleet.Severity(f.least), Dedup: f.dedup, Rate: notifyRate, Most: notifyMost, Save: n.save,
		Group: func(fs []fleet.Finding) [][]fleet.Finding { return waiver.Grouped(fs, f.group) },
	}
	if n.options.Least.Rank() == 0 {
		return nil, fmt.Errorf("--notify-least %q: give one of %s", f.least, joinSeverities())
	}
	if err := n.hooks(f.webhooks); err != nil {
		return nil, err
	}
	if len(f.topics)+len(f.buses) == 0 && !f.hub {
		return n, nil
	}
	cfg, err := config()
	if err != nil {
		return nil, err
	}
	for _, arn := range f.topics {
		n.channels = append(n.channels, notify.Topic{Client: sns.NewFromConfig(cfg), ARN: arn})
	}
	for _, bus := range f.buses {
		n.channels = append(n.channels, notify.Bus{Client: eventbridge.NewFromConfig(cfg), Bus: bus})
	}
	if f.hub {
		n.channels = append(n.channels, notify.Hub{Client: securityhub.NewFromConfig(cfg), Region: cfg.Region, ASFF: n.asff})
	}
	return n, nil
}

func (n *notifier) hooks(file string) error {
	if file == "" {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	before := len(n.channels)
	for i, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		w, err := notify.NewWebhook(line, nil)
		if err != nil {
			return fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
		n.channels = append(n.channels, w)
	}
	if len(n.channels) == before {
		return fmt.Errorf("webhooks: %s names none: give one address a line", file)
	}
	return nil
}

// asff spells findings for Security Hub, with the scene of the last report.
func (n *notifier) asff(fs []fleet.Finding) ([]json.RawMessage, error) {
	r := n.report
	r.Findings = fs
	var out []json.RawMessage
	for _, f := range r.ASFF() {
		text, err := json.Marshal(f)
		if err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, nil
}

// tell tells what an audit found. A nil notifier tells nobody.
func (n *notifier) tell(ctx context.Context, store fleet.Reader, ps []audit.Policy, o pipeline.Outcome) error {
	if n == nil {
		return nil
	}
	told, err := n.told()
	if err != nil {
		return err
	}
	// What is standing from earlier runs may not have been told yet.
	all := []fleet.Finding{}
	for f, err := range store.Findings(ctx, fleet.Query{}) {
		if err != nil {
			return fmt.Errorf("read the findings to tell of: %w", err)
		}
		all = append(all, f)
	}
	n.report.Run, n.report.Policies, n.report.Waived = o.Run, ps, o.Waived
	if n.report.Evidence, err = pipeline.Evidence(ctx, store, all); err != nil {
		return err
	}
	options := n.options
	options.Now = time.Now()
	_, err = notify.Tell(ctx, n.channels, all, told, options)
	return err
}

// told is what was told before. A file that cannot be read is an error: to begin
// anew would tell everything again.
func (n *notifier) told() (notify.Log, error) {
	text, err := os.ReadFile(n.log)
	if errors.Is(err, os.ErrNotExist) {
		return notify.Log{}, nil
	}
	log := notify.Log{}
	if err == nil {
		err = json.Unmarshal(text, &log)
	}
	if err != nil {
		return nil, fmt.Errorf("read what was told before: %w: delete %s to tell everything again", err, n.log)
	}
	return log, nil
}

func (n *notifier) save(log notify.Log) error {
	return replaceFile(n.log, func(w io.Writer) error { return json.NewEncoder(w).Encode(log) })
}
