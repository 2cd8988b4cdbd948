package main

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"muster/internal/config"
	"muster/stores/lake"
	"muster/stores/opensearch"
)

// app is what every verb shares: the world outside and the flags of all.
type app struct {
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer

	configFile string
	store      string
	state      string // folder for what was told and approved; "": with the store
	bucket     bucketFlags
	athena     lake.AthenaOptions  // how a lake on S3 is asked
	since      time.Time           // how far back any id is looked for; zero: as the lake does
	authority  string              // file with the authorities to trust for OpenSearch
	copy       *opensearch.Address // of the store, when it is an OpenSearch; then store holds no password
	verbose    bool

	progressEvery time.Duration // between lines of progress; 0: none

	joinMegabytes uint16 // of what a line's resolver may remember; 0: as the pipeline does
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "muster",
		Short: "Joins a fleet's logs, traces, API calls and changes into one story, and audits it",
		Long: `muster pulls what AWS recorded about a fleet of services (CloudWatch Logs, X-Ray,
CloudTrail, AWS Config), joins it by correlation id so that one request becomes one
story with its evidence, keeps it in an Iceberg lake, and audits it.

Every flag can be set by an environment variable (--log-group is MUSTER_LOG_GROUP)
or in a YAML file named by --config, whose settings are named as the flags are.`,
		Example: `  muster demo                                 a fleet with faults, live in the terminal
  muster collect --since 1h                   one pass over the AWS account of your environment
  muster trace 1-5759e988-bd862e3fe1be46a994272793
  muster audit --fail-on high`,
		Version:      cmp.Or(version(), "of an unknown commit"),
		SilenceUsage: true, SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.configFile == "" {
				a.configFile = a.getenv(config.Variable("config"))
			}
			if err := config.Apply(cmd.Flags(), a.configFile, a.getenv, knownFlags(cmd.Root())); err != nil {
				return err
			}
			a.bucket.shareWith(cmd.Flags())
			return a.nameStore()
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	pf := root.PersistentFlags()
	pf.StringVar(&a.configFile, "config", "", "YAML `file` with settings")
	pf.StringVar(&a.store, "store", a.defaultStore(), "where the evidence is kept: a `folder`, s3://bucket/prefix, or to read its copy opensearch+https://user@host:port")
	pf.StringVar(&a.state, "state", "", "`folder` for what was told and approved; default the store's, or the working directory for one on S3")
	a.bucket.register(pf)
	pf.StringVar(&a.authority, "opensearch-ca", "", "PEM `file` with the authorities to trust for OpenSearch, instead of the system's")
	a.athenaFlags(pf)
	pf.BoolVarP(&a.verbose, "verbose", "v", false, "say more on standard error")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
	})
	root.AddCommand(
		a.demoCommand(), a.collectCommand(), a.planCommand(), a.doctorCommand(), a.importCommand(), a.runCommand(),
		a.auditCommand(), a.lambdaCommand(), a.policiesCommand(), a.exploreCommand(), a.traceCommand(), a.tracesCommand(),
		a.compareCommand(), a.logsCommand(), a.callsCommand(), a.changesCommand(), a.findingsCommand(), a.remediateCommand(), a.servicesCommand(),
		a.sqlCommand(), a.lakeCommand(), a.openSearchCommand(), a.dashboardsCommand(), a.resolveCommand(), a.localAWSCommand(),
	)
	explainArgs(root)
	return root
}

// explainArgs has every verb that is given too few or too many arguments say
// which it takes.
func explainArgs(of *cobra.Command) {
	for _, c := range of.Commands() {
		if check := c.Args; check != nil && c.Runnable() {
			c.Args = func(cmd *cobra.Command, args []string) error {
				err := check(cmd, args)
				if err != nil && !strings.HasPrefix(err.Error(), "unknown command") {
					err = fmt.Errorf("%d arguments: give %s (see %s --help)", len(args), cmd.UseLine(), cmd.CommandPath())
				}
				return err
			}
		}
		explainArgs(c)
	}
}

// knownFlags says whether any verb, or verb below a verb, has a flag of that name.
func knownFlags(of *cobra.Command) func(string) bool {
	return func(name string) bool {
		for _, c := range of.Commands() {
			if c.Flags().Lookup(name) != nil || knownFlags(c)(name) {
				return true
			}
		}
		return false
	}
}

// defaultStore is a folder under the XDG data home.
func (a *app) defaultStore() string {
	data := a.getenv("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(a.getenv("HOME"), ".local", "share")
	}
	return filepath.Join(data, "muster", "lake")
}

func (a *app) logger() *slog.Logger {
	level := slog.LevelWarn
	if a.verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// onTerminal reports whether people are looking at the output.
func (a *app) onTerminal() bool {
	f, ok := a.stdout.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width is that of the terminal, or 0 where there is none: then nothing is cut.
func (a *app) width() int {
	if f, ok := a.stdout.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 0
}
