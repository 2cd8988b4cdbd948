package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"muster/stores/lake"
)

// lakeCommand is the parent of what is done to the lake itself.
func (a *app) lakeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lake", Short: "Look after the lake: its views, its files, its retention",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.lakeViewsCommand())
	cmd.AddCommand(a.lakeUpkeepCommands()...)
	return cmd
}

func (a *app) lakeViewsCommand() *cobra.Command {
	var apply bool
	cmd := &cobra.Command{
		Use:   "views",
		Short: "Print the views over the lake, or make them in Athena",
		Long: `Print the SQL of the views that queries use: records, spans, logs, api_calls,
changes, verdicts, traces, findings and runs, for Athena or any other Trino.

With --apply, make the Glue database and the tables of a lake on S3 if they are not
there, and the views through Athena, anew if they are. It can be done again at any
time, and should be when muster was updated. A lake in a folder needs none of this:
muster sql makes its views for each query.`,
		Example: `  muster lake views > views.sql
  muster lake views --apply --store s3://bucket/fleet --athena-workgroup muster`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !apply {
				return printViews(a.stdout)
			}
			return a.applyViews(cmd)
		},
	}
	cmd.Flags().BoolVar(&apply, "apply", false, "make them, instead of printing them")
	return cmd
}

func printViews(w io.Writer) error {
	for i, v := range lake.Views() {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if _, err := fmt.Fprintf(w, "%s;\n", v.SQL); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) applyViews(cmd *cobra.Command) error {
	store, err := a.openLake(cmd.Context(), false) // which makes the database and the tables
	if err != nil {
		return err
	}
	defer store.Close()
	for _, t := range store.Relations() {
		if _, err := fmt.Fprintf(a.stdout, "table %s: there, at %s\n", t.Name, t.Location); err != nil {
			return err
		}
	}
	done, err := store.ApplyViews(cmd.Context())
	for _, v := range done {
		what := "made"
		if v.Was {
			what = "made anew"
		}
		if _, err := fmt.Fprintf(a.stdout, "view %s: %s\n", v.Name, what); err != nil {
			return err
		}
	}
	return err
}
