package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

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
` + config.Variable("opensearch-password") + `.`,
	}
	cmd.PersistentFlags().StringVar(&address, "opensearch", "", "`address`: https://user@host:port")
	cmd.AddCommand(a.openSearchSetup(&address), a.openSearchFollow(&address))
	return cmd
}

func (a *app) openSearchSetup(address *string) *cobra.Command {
	return &cobra.Command{
		Use:   "setup",
		Short: "Put the index templates and aliases; safe to repeat",
		Long: `Put the index templates that are missing and upgrade those of an older muster. A
template that somebody changed is kept: one of the same version, and one without.`,
		Example: "  muster opensearch setup --opensearch https://admin@search.example:9200",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := a.openSink(*address, "")
			if err != nil {
				return err
			}
			defer s.Close()
			return s.Setup(cmd.Context(), func(name string, did opensearch.Action) {
				fmt.Fprintf(a.stdout, "%-9s %s\n", did, name)
			})
		},
	}
}

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
		refused = filepath.Join(a.store, refusedFile)
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
