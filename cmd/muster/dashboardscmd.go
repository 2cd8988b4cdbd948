package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"muster/dashboards"
	"muster/fleet"
	"muster/internal/config"
)

// dashboardsTimeout bounds one request to OpenSearch Dashboards, which answers
// in milliseconds and takes seconds after a start.
const dashboardsTimeout = 30 * time.Second

type dashboardsFlags struct {
	address, authority, tenant string
	force, dryRun              bool
}

func (a *app) dashboardsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dashboards",
		Short: "Boards for OpenSearch Dashboards, rules for Prometheus",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.dashboardsInstall(), a.dashboardsExport(), a.dashboardsRules())
	return cmd
}

func (a *app) dashboardsInstall() *cobra.Command {
	var f dashboardsFlags
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Import the boards into OpenSearch Dashboards; safe to repeat",
		Long: `Import two boards, fleet overview and audit, with their index patterns, through the
saved-objects API. What is there already is compared: an object that an earlier muster
made is upgraded, one that somebody has edited is kept and the differences are shown;
--force overwrites it. The password is read from ` + config.Variable("dashboards-password") + `.`,
		Example: `  muster dashboards install --dashboards https://admin@search.example:5601
  muster dashboards install --dashboards https://domain.example/_dashboards --tenant global --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := a.dashboardsServer(&f)
			if err != nil {
				return err
			}
			objects, err := dashboards.ParseObjects(dashboards.SavedObjects())
			if err != nil {
				return err
			}
			kept := 0
			err = server.Install(cmd.Context(), objects, dashboards.InstallOptions{Force: f.force, DryRun: f.dryRun}, func(s dashboards.Step) {
				if s.Action == dashboards.Kept {
					kept++
				}
				a.printStep(s)
			})
			if err == nil && kept > 0 {
				fmt.Fprintf(a.stdout, "%d objects were edited here and are kept; --force overwrites them\n", kept)
			}
			return err
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.address, "dashboards", "", "`address` with its base path: https://user@host:5601")
	fs.StringVar(&f.authority, "dashboards-ca", "", "PEM `file` with the authorities to trust, instead of the system's")
	fs.StringVar(&f.tenant, "tenant", "", "`tenant` of the security plugin to install to")
	fs.BoolVar(&f.force, "force", false, "overwrite what somebody has edited")
	fs.BoolVar(&f.dryRun, "dry-run", false, "only say what would be done")
	return cmd
}

// printStep says what becomes of an object, and how it differs.
func (a *app) printStep(s dashboards.Step) {
	fmt.Fprintf(a.stdout, "%-11s %-13s %s\n", s.Action, s.Object.Type, s.Object.Title())
	for _, d := range s.Differences {
		fmt.Fprintf(a.stdout, "            %s: there %s, shipped %s\n", fleet.Printable(d.Path), fleet.Printable(orNothing(d.There)), orNothing(d.Shipped))
	}
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

func (a *app) dashboardsServer(f *dashboardsFlags) (*dashboards.Server, error) {
	if f.address == "" {
		return nil, errors.New("there is no OpenSearch Dashboards: name one with --dashboards https://user@host:5601")
	}
	u, err := url.Parse(f.address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" {
		// What was given is not repeated: there may be a password in it.
		return nil, errors.New("--dashboards: an address is https://[user@]host[:port][/path]; the password belongs in " + config.Variable("dashboards-password"))
	}
	s := &dashboards.Server{User: u.User.Username(), Tenant: f.tenant, Password: a.getenv(config.Variable("dashboards-password"))}
	if p, ok := u.User.Password(); ok && s.Password == "" {
		s.Password = p
	}
	u.User = nil
	s.URL = u.String()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if f.authority != "" {
		pem, err := os.ReadFile(f.authority)
		if err != nil {
			return nil, fmt.Errorf("--dashboards-ca: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("--dashboards-ca %s: there is no certificate in it", f.authority)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	s.Client = &http.Client{
		Transport: transport, Timeout: dashboardsTimeout,
		// A redirect leads to a page to log in at, and would take the password along.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

func (a *app) dashboardsExport() *cobra.Command {
	return &cobra.Command{
		Use:     "export",
		Short:   "Print the saved objects, to import them by hand",
		Example: "  muster dashboards export > muster.ndjson",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(dashboards.SavedObjects())
			return err
		},
	}
}

func (a *app) dashboardsRules() *cobra.Command {
	return &cobra.Command{
		Use:     "rules",
		Short:   "Print the rules for Prometheus: when muster itself needs somebody",
		Example: "  muster dashboards rules > /etc/prometheus/rules/muster.yml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(dashboards.PrometheusRules())
			return err
		},
	}
}
