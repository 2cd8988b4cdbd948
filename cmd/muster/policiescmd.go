package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"muster/audit"
	"muster/fleet"
)

func (a *app) policiesCommand() *cobra.Command {
	var dirs []string
	cmd := &cobra.Command{
		Use: "policies", Short: "The catalogue of policies and its unit tests",
		Args: cobra.NoArgs, // else a misspelled verb would print the help and succeed
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringArrayVar(&dirs, "policies", nil, "`folder` with policies, instead of the shipped ones; repeatable")
	cmd.AddCommand(
		&cobra.Command{
			Use: "list", Short: "List the policies", Args: cobra.NoArgs,
			Example: "  muster policies list\n  muster policies list --policies ./policies",
			RunE: func(*cobra.Command, []string) error {
				ps, err := loadPolicies(dirs)
				if err != nil {
					return err
				}
				t := newTable([]string{"POLICY", "SEVERITY", "ON", "WRITTEN IN", "TITLE"})
				for _, p := range ps {
					t.add([]string{p.ID, string(p.Severity), string(p.On), string(p.Language), p.Title})
				}
				return t.print(a.stdout, a.width())
			},
		},
		&cobra.Command{
			Use: "show POLICY", Short: "Say what a policy finds, why, and what to do then", Args: cobra.ExactArgs(1),
			Example: "  muster policies show trail-stopped",
			RunE: func(_ *cobra.Command, args []string) error {
				ps, err := loadPolicies(dirs)
				if err != nil {
					return err
				}
				return a.showPolicy(ps, args[0])
			},
		},
		&cobra.Command{
			Use: "test", Short: "Run the policies' own test cases", Args: cobra.NoArgs,
			Example: "  muster policies test --policies ./policies",
			RunE: func(*cobra.Command, []string) error {
				ps, err := loadPolicies(dirs)
				if err != nil {
					return err
				}
				return a.testPolicies(ps)
			},
		},
		&cobra.Command{
			Use: "schema", Short: "Say what the expressions of a policy can name", Args: cobra.NoArgs,
			Example: "  muster policies schema",
			RunE:    func(*cobra.Command, []string) error { return a.showSchema() },
		},
	)
	return cmd
}

// showSchema prints the variables by subject, and the fields of their types.
func (a *app) showSchema() error {
	variables, objects := audit.Schema()
	t := newTable([]string{"ON", "VARIABLE", "TYPE"})
	for _, v := range variables {
		t.add([]string{string(v.On), v.Name, v.Type})
	}
	if err := t.print(a.stdout, a.width()); err != nil {
		return err
	}
	for _, o := range objects {
		fmt.Fprintf(a.stdout, "\n%s\n", o.Name)
		for _, f := range o.Fields {
			fmt.Fprintf(a.stdout, "  %-16s %-20s %s\n", f.Name, f.Type, f.Doc)
		}
	}
	return nil
}

func (a *app) testPolicies(ps []audit.Policy) error {
	passed, failed := 0, 0
	for _, r := range audit.Test(ps) {
		if r.Passed() {
			passed++
			continue
		}
		failed++
		fmt.Fprintf(a.stdout, "FAIL  %s:%d: %s: %s: %s\n", r.File, r.Line, r.Policy, fleet.Printable(r.Case), fleet.Printable(r.Problem))
	}
	fmt.Fprintf(a.stdout, "%d policies, %d cases passed, %d failed\n", len(ps), passed, failed)
	if failed > 0 {
		return &exitError{code: exitFindings}
	}
	return nil
}

// showPolicy prints the policy with that id, or with that title.
func (a *app) showPolicy(ps []audit.Policy, name string) error {
	i := slices.IndexFunc(ps, func(p audit.Policy) bool { return p.ID == name || strings.EqualFold(p.Title, name) })
	if i < 0 {
		return fmt.Errorf("policy %s: there is none with this id: see muster policies list", name)
	}
	p := ps[i]
	for _, f := range []struct{ label, text string }{
		{"policy", p.ID},
		{"title", p.Title},
		{"severity", string(p.Severity)},
		{"on", string(p.On)},
		{"written in", string(p.Language)},
		{"file", p.File},
		{"author", p.Author},
		{"license", p.License},
		{"tags", strings.Join(p.Tags, ", ")},
		{"references", strings.Join(p.References, " ")},
		{"concern", p.Concern},
		{"controls", strings.Join(p.Controls, ", ")},
		{"rationale", p.Rationale},
		{"remedy", p.Remedy},
		{"remediate", p.Remediate},
		{"not judged", p.Unjudged()},
	} {
		if f.text != "" {
			fmt.Fprintf(a.stdout, "%-11s %s\n", f.label, fleet.Printable(strings.Join(strings.Fields(f.text), " ")))
		}
	}
	return nil
}
