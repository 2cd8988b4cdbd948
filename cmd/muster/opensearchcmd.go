package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/spf13/cobra"

	"muster/fleet"
	"muster/internal/config"
	"muster/stores/opensearch"
)

// followEvery is how often OpenSearch looks for new commits of the lake, which
// come every five seconds or so.
const followEvery = 5 * time.Second

func (a *app) openSearchCommand() *cobra.Command {
	var address string
	cmd := &cobra.Command{
		Use:   "opensearch",
		Short: "Keep a copy of the lake in OpenSearch",
		Long: `Keep a copy of the lake in OpenSearch, for its dashboards and for searches beside
other logs. The lake stays the truth: OpenSearch follows its commits from a mark of
its own, so that one that was away catches up by itself. The password is read from
` + config.Variable("opensearch-password") + `. ?sigv4=es (OpenSearch Service) or ?sigv4=aoss (Serverless)
behind the address signs requests with the credentials of the AWS environment.`,
	}
	cmd.PersistentFlags().StringVar(&address, "opensearch", "", "`address`: https://user@host:port, or https://host?sigv4=es&region=us-east-1 for signed requests")
	cmd.AddCommand(a.openSearchSetup(&address), a.openSearchFollow(&address))
	return cmd
}

func (a *app) openSearchSetup(address *string) *cobra.Command {
	var o opensearch.SetupOptions
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Put the index templates, aliases and retention; safe to repeat",
		Long: `Put the index templates with their aliases and the retention policy that are
missing, and upgrade those of an older muster. What somebody changed since muster put
it is left alone and reported as "yours"; --force overwrites it. An engine without
Index State Management gets no retention policy, which is said and is no error.`,
		Example: `  muster opensearch setup --opensearch https://admin@search.example:9200
  muster opensearch setup --retain-days 30`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.RetainDays < 0 {
				return fmt.Errorf("--retain-days %d: give how many, or 0 for no policy", o.RetainDays)
			}
			s, err := a.openSink(*address, "")
			if err != nil {
				return err
			}
			defer s.Close()
			o.RetainSet = cmd.Flags().Changed("retain-days")
			return s.Setup(cmd.Context(), o, func(name string, did opensearch.Action) {
				fmt.Fprintf(a.stdout, "%-13s %s\n", did, name)
			})
		},
	}
	fs := cmd.Flags()
	fs.IntVar(&o.RetainDays, "retain-days", retainDays, "`days` after which an index of records is deleted; 0 puts no policy; one that is there keeps its days unless this is given")
	fs.BoolVar(&o.Force, "force", false, "overwrite what somebody changed")
	return cmd
}

// retainDays is how long OpenSearch keeps records where nobody says: a quarter.
// The lake keeps them for as long as it is told to.
const retainDays = 90

func (a *app) openSearchFollow(address *string) *cobra.Command {
	var once bool
	var every time.Duration
	var refused string
	cmd := &cobra.Command{
		Use:   "follow",
		Short: "Write what the lake has and OpenSearch lacks, without end",
		Long: `Follow the lake in --store: write every commit to OpenSearch, from where the last
run came to. Nothing is lost or doubled by a crash of either side. A document that
OpenSearch will never take, since its mapping does not fit, goes to the file named
by --refused; everything else waits until it can be written.`,
		Example: `  muster opensearch follow --opensearch https://muster@search.example:9200
  muster opensearch follow --once`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			store, err := a.openLake(ctx, true)
			if err != nil {
				return err
			}
			defer store.Close()
			s, err := a.openSink(*address, refused)
			if err != nil {
				return err
			}
			defer s.Close()
			if !once {
				return s.Follow(ctx, store, every)
			}
			w, err := s.CatchUp(ctx, store)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.stdout, "opensearch: %d documents written, %d refused\n", w.Sent-w.Refused, w.Refused)
			return nil
		},
	}
	fs := cmd.Flags()
	fs.BoolVar(&once, "once", false, "catch up once and end")
	fs.DurationVar(&every, "every", followEvery, "time between two looks at the lake")
	fs.StringVar(&refused, "refused", "", "`file` for documents that OpenSearch will never take; default "+refusedFile+" in the lake's folder")
	return cmd
}

// refusedFile keeps what OpenSearch refused, beside the lake.
const refusedFile = "opensearch-refused.ndjson"

// openSink opens an OpenSearch to write to.
func (a *app) openSink(address, refused string) (*opensearch.Store, error) {
	if address == "" {
		return nil, errors.New("there is no OpenSearch: name one with --opensearch https://user@host:port")
	}
	to, err := a.parseAddress("--opensearch", address)
	if err != nil {
		return nil, err
	}
	if refused == "" {
		refused = a.beside(refusedFile)
	}
	return a.dial(to, refused)
}

func (a *app) dial(to opensearch.Address, refused string) (*opensearch.Store, error) {
	o := opensearch.Options{Address: to, Logger: a.logger(), Refused: refused}
	if a.authority != "" {
		var err error
		if o.CACert, err = os.ReadFile(a.authority); err != nil {
			return nil, fmt.Errorf("--opensearch-ca: %w", err)
		}
	}
	if to.Sign != "" {
		// Reads files and variables; credentials are asked for when they are needed.
		cfg, err := awsconfig.LoadDefaultConfig(context.Background())
		if err != nil {
			return nil, fmt.Errorf("load the AWS configuration: %w", err)
		}
		o.Credentials, o.Address.Region = cfg.Credentials, cmp.Or(to.Region, cfg.Region)
	}
	return opensearch.Open(o)
}

func (a *app) parseAddress(flag, text string) (opensearch.Address, error) {
	to, err := opensearch.ParseAddress(text, a.getenv(config.Variable("opensearch-password")))
	if err != nil {
		return to, fmt.Errorf("%s: %w", flag, err)
	}
	return to, nil
}

// nameStore takes the address out of a store that is an OpenSearch, so that
// nothing that names the store shows a password.
func (a *app) nameStore() error {
	if !strings.HasPrefix(a.store, opensearch.Scheme) {
		return nil
	}
	to, err := a.parseAddress("--store", a.store)
	a.store = opensearch.Scheme
	if err != nil {
		return err
	}
	a.copy, a.store = &to, to.String()
	return nil
}

// readCloser is a store that is open for reading.
type readCloser interface {
	fleet.Reader
	io.Closer
}

// openReader opens the store for reading, wherever it is.
func (a *app) openReader(ctx context.Context) (readCloser, error) {
	if a.copy != nil {
		return a.dial(*a.copy, "")
	}
	return a.openLake(ctx, true)
}

// followedTo says when an OpenSearch last got something new.
func followedTo(ctx context.Context, s *opensearch.Store) string {
	moved, err := s.Moved(ctx)
	switch {
	case err != nil:
		return "mark: " + err.Error()
	case moved.IsZero():
		return "follows no lake yet"
	default:
		return "followed the lake to " + moved.UTC().Format("Jan 02 15:04:05")
	}
}
