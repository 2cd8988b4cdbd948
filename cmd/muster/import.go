package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/pipeline"
	"muster/stores/lake"
)

func (a *app) importCommand() *cobra.Command {
	o := collectors.FileOptions{Turn: lake.YieldToEncoding}
	cmd := &cobra.Command{
		Use:   "import PATH…",
		Short: "Read evidence from files into the store",
		Long: `Read the same records from files, or from all files in folders: CloudTrail files,
X-Ray segment documents, log events (FilterLogEvents' shape, one a line, with
logGroupName added), subscription payloads as Lambda, Kinesis and Firehose hand them
over, exports of log groups to S3, access logs of load balancers, AWS Config
snapshots and items, and executions of Step Functions (describe-execution's answer
and then get-execution-history's, or the latter with --execution). What a file is, is told from its content; gzip is undone.

A file that cannot be read to its end leaves nothing behind and is named with the
position; the others go on. Importing again changes nothing.`,
		Example: `  muster import AWSLogs/
  muster import --account 111122223333 --region us-east-1 logs.ndjson segments/
  muster import --log-group /aws/lambda/orders export/2f5a7b5c/
  muster import --execution arn:aws:states:us-east-1:111122223333:execution:book-courier:42 history.json`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, path := range args { // before a store is made for nothing
				if _, err := os.Stat(path); err != nil {
					return fmt.Errorf("import: %w", err)
				}
			}
			ctx := cmd.Context()
			store := a.openSoon(ctx)
			defer store.close()
			read := func(ctx context.Context, path string) iter.Seq2[fleet.Batch, error] {
				return collectors.ReadFile(ctx, path, o)
			}
			shown := a.progressOf("import")
			defer shown.end()
			p, err := a.line(store, prometheus.NewRegistry()).Import(ctx, args, read, shown.importing)
			shown.end()
			if _, failed := store.opened(); failed != nil {
				return failed // of which the line only knows that it could not ask
			}
			if p.TotalFiles > 0 {
				fmt.Fprintf(a.stdout, "import: %d of %d files; %s\n", p.Files-p.FilesFailed, p.TotalFiles, p.Totals)
			}
			if p.Unreadable > 0 {
				fmt.Fprintf(a.stderr, "muster: %d documents could not be understood and are kept raw: muster sql --store '%s' \"select id, attributes from records where element_at(attributes, '%s') is not null\"\n",
					p.Unreadable, a.store, fleet.AttrUnreadable)
			}
			return err
		},
	}
	a.joinMemory(cmd.Flags())
	a.progressFlag(cmd.Flags())
	cmd.Flags().StringVar(&o.Account, "account", "", "account `id` of what does not say its own")
	cmd.Flags().StringVar(&o.Execution, "execution", "", "`ARN` of the execution that a saved get-execution-history is of, which it does not say")
	cmd.Flags().StringVar(&o.LogGroup, "log-group", "", "`name` of the log group that exported files are from, which they do not say")
	cmd.Flags().StringVar(&o.Region, "region", "", "region of what does not say its own")
	return cmd
}

// soonLake is a lake that is being opened while files are read: an empty one takes
// as long to make as 8,000 records to read.
type soonLake struct {
	opened func() (*lake.Lake, error)
}

func (a *app) openSoon(ctx context.Context) *soonLake {
	s := &soonLake{sync.OnceValues(func() (*lake.Lake, error) { return a.openLake(ctx, false) })}
	go func() { _, _ = s.opened() }()
	return s
}

func (s *soonLake) close() {
	if l, err := s.opened(); err == nil {
		l.Close()
	}
}

// Checkpoints implements pipeline.Lake.
func (s *soonLake) Checkpoints(ctx context.Context) (map[string]time.Time, error) {
	l, err := s.opened()
	if err != nil {
		return nil, err
	}
	return l.Checkpoints(ctx)
}

// Fresh implements pipeline.Lake.
func (s *soonLake) Fresh(ctx context.Context, rs []fleet.Record) (fleet.Fresh, error) {
	l, err := s.opened()
	if err != nil {
		return fleet.Fresh{}, err
	}
	return l.Fresh(ctx, rs)
}

// Commit implements pipeline.Lake.
func (s *soonLake) Commit(ctx context.Context, c fleet.Commit) (fleet.Snapshot, error) {
	l, err := s.opened()
	if err != nil {
		return 0, err
	}
	return l.Commit(ctx, c)
}

// Records implements pipeline.Lake.
func (s *soonLake) Records(ctx context.Context, q fleet.Query) iter.Seq2[fleet.Record, error] {
	l, err := s.opened()
	if err != nil {
		return func(yield func(fleet.Record, error) bool) { yield(fleet.Record{}, err) }
	}
	return l.Records(ctx, q)
}

// importing tells how many of the files are read, and of how many bytes.
func (p *progress) importing(i pipeline.ImportProgress) {
	const cells = 24
	full := cells
	if i.TotalBytes > 0 {
		full = int(i.Bytes * cells / i.TotalBytes)
	}
	bar := make([]rune, cells)
	for n := range bar {
		bar[n] = '░'
		if n < full {
			bar[n] = '█'
		}
	}
	p.tell(string(bar)+" ", fmt.Sprintf("import: %d of %d files; %s", i.Files, i.TotalFiles, i.Totals))
}
