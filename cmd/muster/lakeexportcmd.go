package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/fleet"
	"muster/stores/lake"
)

func (a *app) lakeExportCommand() *cobra.Command {
	var e lake.Export
	var kinds []string
	var tableName, location string
	var asJSON bool
	w := newWindowFlags(time.Now)
	cmd := &cobra.Command{
		Use:   "export --hive PLACE",
		Short: "Write a window as plain Parquet in Hive's folders",
		Long: `Write the live records of a window as plain Parquet files in folders
kind=…/day=…, and print the statement that makes them a table in Athena, which finds
the folders by partition projection: for those who have no Iceberg, or want to hand
evidence over. The columns are those of the view records.`,
		Example: `  muster lake export --hive out --since 7d --kind api_call
  muster lake export --hive out --location s3://bucket/export
  muster lake export --hive s3://bucket/export --until 2026-11-01`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if e.To == "" {
				return fmt.Errorf("say where to: --hive FOLDER or s3://bucket/prefix")
			}
			if e.Window, err = w.window(); err != nil {
				return err
			}
			for _, k := range kinds {
				if !isKind(k) {
					return fmt.Errorf("--kind %q: give one of %s", k, kindList())
				}
				e.Kinds = append(e.Kinds, fleet.Kind(k))
			}
			if strings.HasPrefix(e.To, "s3://") {
				if e.AWS, err = a.bucket.config(cmd.Context()); err != nil {
					return err
				}
				e.Encryption = a.encryption()
			}
			store, err := a.openLake(cmd.Context(), true)
			if err != nil {
				return err
			}
			defer store.Close()
			return a.export(cmd, store, e, tableName, location, asJSON)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&e.To, "hive", "", "`folder` or s3://bucket/prefix to write to; it must be empty or absent")
	fs.Var(&w.since, "since", "from this time on: how long ago (36h, 7d) or a moment")
	fs.Var(&w.until, "until", "up to this time")
	fs.StringArrayVar(&kinds, "kind", nil, "only this `kind`; repeatable")
	fs.StringVar(&tableName, "table", "muster_records", "`name` of the table in the statement")
	fs.StringVar(&location, "location", "", "`URL` of the folder on S3 in the statement, once it is there")
	fs.BoolVar(&asJSON, "json", false, "one JSON object a line for each kind and day, the statement on standard error")
	return cmd
}

func (a *app) export(cmd *cobra.Command, store *lake.Lake, e lake.Export, tableName, location string, asJSON bool) error {
	out := newJSONLines(a.stdout)
	e.Each = func(p lake.ExportedPart) error {
		if asJSON {
			return out.Encode(p)
		}
		_, err := fmt.Fprintf(a.stderr, "%s %s: %d rows in %s (%s)\n", p.Day, p.Kind, p.Rows, countText(p.Files, "file", "files"), bytesText(p.Bytes))
		return err
	}
	done, err := store.ExportHive(cmd.Context(), e)
	if err != nil {
		return err
	}
	if done.Rows == 0 {
		_, err := fmt.Fprintln(a.stderr, "muster: nothing lies in this window: there is nothing to make a table of")
		return err
	}
	if location == "" {
		location = e.To
	}
	if !strings.HasPrefix(location, "s3://") {
		location = "s3://BUCKET/PREFIX"
	}
	_, err = fmt.Fprintln(a.summary(asJSON), lake.HiveTable(tableName, location, done)+";")
	return err
}
