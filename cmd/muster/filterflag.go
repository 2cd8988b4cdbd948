package main

import (
	"github.com/spf13/cobra"

	"muster/fleet"
	"muster/internal/filter"
)

// filterHelp is what the verbs with --filter say about it.
const filterHelp = `
--filter takes an X-Ray filter expression and leaves the traces that meet it.
Outside of service() and edge() it is about the request as a whole:
  ok error fault throttle partial     responsetime duration http.status (seconds, numbers)
  http.url http.method user message   annotation.KEY, annotation[KEY]
service("NAME") { … } asks for a node of the trace, edge("FROM", "TO") { … } for a
call; their braces are about one span. docs/filter.md has the whole language.`

// filterFlag adds --filter to a verb that lists traces, or records of traces.
func (f *queryFlags) filterFlag(cmd *cobra.Command, usage string) {
	cmd.Flags().Var(&filterValue{query: &f.query}, "filter", usage)
	err := cmd.RegisterFlagCompletionFunc("filter", func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		return filter.Complete(typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	if err != nil {
		panic(err) // the flag was added a moment ago
	}
}

// filterValue is a flag that takes a filter expression.
type filterValue struct {
	query *fleet.Query
	text  string
}

func (v *filterValue) String() string { return v.text }
func (v *filterValue) Type() string   { return "expression" }

func (v *filterValue) Set(s string) error {
	parsed, err := filter.Parse(s)
	if err != nil {
		return err
	}
	v.query.Filter, v.text = parsed, s
	return nil
}
