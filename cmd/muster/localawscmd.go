package main

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/internal/localaws"
)

func (a *app) localAWSCommand() *cobra.Command {
	o := localaws.Options{Account: localaws.DefaultAccount, Region: localaws.DefaultRegion, Now: time.Now}
	var members []string
	cmd := &cobra.Command{
		Use:   "local-aws",
		Short: "The AWS stand-in alone, for other programs and for awscli",
		Long: `Serve the AWS stand-in on loopback: CloudWatch Logs, X-Ray (with the daemon's UDP
port), CloudTrail, Config, EventBridge, Organizations, STS, SQS, SNS, Kinesis,
Firehose, DynamoDB, S3 and security groups, with AWS's own protocols, and Athena's
where --trino names a Trino that reads the Glue catalog. Every call made to it
becomes a CloudTrail event. Each account and region has a state of its own. It
keeps everything in memory and checks no signature: it is for trying things out.`,
		Example: `  muster local-aws --listen 127.0.0.1:4566
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 aws logs describe-log-groups
  muster local-aws --throttle 0.1 --seed 3      a tenth of the reads is throttled
  muster local-aws --quotas --late 0.1 --late-by 1h --member 444455556666=shop`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := shares(o.Trouble); err != nil {
				return err
			}
			var err error
			if o.Members, err = memberAccounts(members); err != nil {
				return err
			}
			ctx := cmd.Context()
			o.Logger = a.logger()
			s, err := localaws.Start(ctx, o)
			if err != nil {
				return err
			}
			defer s.Close()
			fmt.Fprintf(a.stdout, "endpoint %s\nxray daemon %s\ntrail bucket %s\nAWS_ACCESS_KEY_ID=%s AWS_SECRET_ACCESS_KEY=%s AWS_REGION=%s\n",
				s.Endpoint(), s.DaemonAddr(), s.TrailBucket(), localaws.BootstrapKey, localaws.BootstrapSecret, o.Region)
			<-ctx.Done()
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&o.ListenAddr, "listen", "127.0.0.1:4566", "address of the endpoint")
	fs.StringVar(&o.DaemonAddr, "daemon", "127.0.0.1:2000", "address of the X-Ray daemon's UDP and TCP port")
	fs.StringVar(&o.TrinoURL, "trino", "", "`URL` of the Trino that runs Athena's statements (default: none)")
	fs.StringVar(&o.TrinoCatalog, "trino-catalog", "lake", "its `catalog` over Glue")
	fs.StringVar(&o.Region, "region", localaws.DefaultRegion, "region it is in")
	fs.StringVar(&o.Account, "account", localaws.DefaultAccount, "account `id` it is")
	fs.Uint64Var(&o.Seed, "seed", 1, "seed of all trouble")
	fs.DurationVar(&o.Delay.Trail, "trail-delay", 2*time.Minute, "how late the trail's files are")
	fs.DurationVar(&o.Delay.Lookup, "lookup-delay", 10*time.Second, "how late LookupEvents shows a call")
	fs.DurationVar(&o.Delay.Config, "config-delay", 10*time.Second, "how late a configuration item is")
	fs.DurationVar(&o.Delay.Logs, "logs-delay", time.Second, "how late a log line can be read")
	fs.Float64Var(&o.Trouble.Throttle, "throttle", 0, "share of reads that are throttled, 0 to 1")
	fs.Float64Var(&o.Trouble.Fail, "fail", 0, "share of reads that fail, 0 to 1")
	fs.Float64Var(&o.Trouble.EmptyPage, "empty-page", 0, "share of pages that come empty with a token, 0 to 1")
	fs.Float64Var(&o.Trouble.Repeat, "repeat", 0, "share of evidence that is delivered twice, 0 to 1")
	fs.Float64Var(&o.Trouble.Late, "late", 0, "share of evidence that is late, 0 to 1")
	fs.DurationVar(&o.Trouble.LateBy, "late-by", 0, "how late it is at most (default: three times its delay)")
	fs.Float64Var(&o.Trouble.Addendum, "addendum", 0, "share of the trail's records that an addendum completes, 0 to 1")
	fs.Float64Var(&o.Trouble.Reset, "reset", 0, "share of reads whose connection is reset, 0 to 1")
	fs.Float64Var(&o.Trouble.ExpiredPage, "expired-page", 0, "share of page tokens that are refused as expired, 0 to 1")
	fs.Float64Var(&o.Trouble.ExpiredSession, "expired-session", 0, "share of reads by sessions that are refused as expired, 0 to 1")
	fs.Float64Var(&o.Trouble.SameMillisecond, "same-millisecond", 0, "share of log events that share a millisecond with the one before, 0 to 1")
	fs.BoolVar(&o.Quotas, "quotas", false, "throttle at AWS's documented rates")
	fs.DurationVar(&o.Skew, "skew", 0, "how far its clock is ahead of this machine's")
	fs.StringArrayVar(&o.Deny, "deny", nil, "IAM `action` that is denied, such as logs:FilterLogEvents; repeatable")
	fs.StringArrayVar(&members, "member", nil, "further account `id` of an organization, perhaps as id=name; repeatable")
	fs.BoolVar(&o.TransactionSearch, "transaction-search", false, "X-Ray sends segments to CloudWatch Logs")
	return cmd
}

// accountForm is an account's id.
var accountForm = regexp.MustCompile(`^\d{12}$`)

// memberAccounts reads accounts given as id or id=name.
func memberAccounts(given []string) ([]localaws.Member, error) {
	var out []localaws.Member
	for _, text := range given {
		id, name, _ := strings.Cut(text, "=")
		if !accountForm.MatchString(id) {
			return nil, fmt.Errorf("--member %s: an account has 12 digits", text)
		}
		out = append(out, localaws.Member{ID: id, Name: name})
	}
	return out, nil
}

// shares says which share is none.
func shares(t localaws.Trouble) error {
	for _, s := range []struct {
		flag  string
		value float64
	}{
		{"throttle", t.Throttle},
		{"fail", t.Fail},
		{"empty-page", t.EmptyPage},
		{"repeat", t.Repeat},
		{"late", t.Late},
		{"addendum", t.Addendum},
		{"reset", t.Reset},
		{"expired-page", t.ExpiredPage},
		{"expired-session", t.ExpiredSession},
		{"same-millisecond", t.SameMillisecond},
	} {
		if !(s.value >= 0 && s.value <= 1) { // no NaN either
			return fmt.Errorf("--%s %g: give a share from 0 to 1", s.flag, s.value)
		}
	}
	return nil
}
