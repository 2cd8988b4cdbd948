package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"muster/collectors"
	"muster/fleet"
	"muster/internal/pipeline"
)

func (a *app) importCommand() *cobra.Command {
	var o collectors.FileOptions
	cmd := &cobra.Command{
		Use:   "import PATH…",
		Short: "Read evidence from files into the store",
		Long: `Read the same records from files, or from all files in folders: CloudTrail files,
X-Ray segment documents, log events (FilterLogEvents' shape, one a line, with
logGroupName added), subscription payloads as Lambda, Kinesis and Firehose hand them
over, exports of log groups to S3, access logs of load balancers, and AWS Config
snapshots and items. What a file is, is told from its content; gzip is undone.

A file that cannot be read to its end leaves nothing behind and is named with the
position; the others go on. Importing again changes nothing.`,
		Example: `  muster import AWSLogs/
  muster import --account 111122223333 --region us-east-1 logs.ndjson segments/
  muster import --log-group /aws/lambda/orders export/2f5a7b5c/`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, path := range args { // before a store is made for nothing
				if _, err := os.Stat(path); err != nil {
					return fmt.Errorf("import: %w", err)
				}
			}
			ctx := cmd.Context()
			store, err := a.openLake(ctx, false)
			if err != nil {
				return err
			}
			defer store.Close()
			read := func(ctx context.Context, path string) iter.Seq2[fleet.Batch, error] {
				return collectors.ReadFile(ctx, path, o)
			}
			p, err := a.line(store, prometheus.NewRegistry()).Import(ctx, args, read, a.importProgress())
			if isTerminal(a.stderr) {
				fmt.Fprint(a.stderr, "\r\x1b[K")
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
	cmd.Flags().StringVar(&o.Account, "account", "", "account `id` of what does not say its own")
	cmd.Flags().StringVar(&o.LogGroup, "log-group", "", "`name` of the log group that exported files are from, which they do not say")
	cmd.Flags().StringVar(&o.Region, "region", "", "region of what does not say its own")
	return cmd
}

// importProgress draws a bar on a terminal, and nothing elsewhere.
func (a *app) importProgress() func(pipeline.ImportProgress) {
	if !isTerminal(a.stderr) {
		return func(pipeline.ImportProgress) {}
	}
	const cells = 24
	return func(p pipeline.ImportProgress) {
		full := cells
		if p.TotalBytes > 0 {
			full = int(p.Bytes * cells / p.TotalBytes)
		}
		bar := make([]rune, cells)
		for i := range bar {
			bar[i] = '░'
			if i < full {
				bar[i] = '█'
			}
		}
		fmt.Fprintf(a.stderr, "\r\x1b[K%s %d/%d files  %s", string(bar), p.Files, p.TotalFiles, p.Totals)
	}
}

// isTerminal reports whether w is one.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
