// Command sample runs one service of the sample fleet by itself.
//
//	sample orders --endpoint-url http://127.0.0.1:4566 --daemon 127.0.0.1:2000 --peer payments=http://127.0.0.1:8081
//
// Credentials are taken from the environment, as every AWS program does.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"muster/samples"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "sample:", err)
		os.Exit(2)
	}
}

// run runs a service until the context ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 || !slices.Contains(samples.Services(), args[0]) {
		return fmt.Errorf("which service? one of %s", strings.Join(samples.Services(), ", "))
	}
	name := args[0]
	flags := flag.NewFlagSet("sample "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	o := samples.Options{Logger: slog.New(slog.NewTextHandler(stderr, nil))}
	at := samples.Place{Peers: make(map[string]string)}
	flags.StringVar(&o.Endpoint, "endpoint-url", "", "where AWS is; empty for AWS itself")
	flags.StringVar(&o.DaemonAddr, "daemon", "127.0.0.1:2000", "the X-Ray daemon's UDP address")
	flags.StringVar(&o.Collector, "collector", "", "URL of the OTLP collector (payments); empty for the endpoint's")
	flags.StringVar(&o.Region, "region", "us-east-1", "the AWS region")
	flags.BoolVar(&o.Workflows, "workflows", false, "AWS has EventBridge and Step Functions (orders, shipping): announce orders, and have couriers booked")
	flags.StringVar(&at.Listen, "listen", "127.0.0.1:0", "the address to listen on; port 0 takes a free one")
	flags.Func("peer", "where another service listens, NAME=URL, repeatable; what is not given is found in Cloud Map", func(s string) error {
		peer, url, ok := strings.Cut(s, "=")
		if !ok || !slices.Contains(samples.Services(), peer) {
			return fmt.Errorf("give NAME=URL with one of %s", strings.Join(samples.Services(), ", "))
		}
		at.Peers[peer] = url
		return nil
	})
	flags.Func("fault", "a fault to switch on, repeatable: "+list(samples.Faults()), func(s string) error {
		if !slices.Contains(samples.Faults(), samples.Fault(s)) {
			return fmt.Errorf("no fault of that name; there are %s", list(samples.Faults()))
		}
		o.Faults = append(o.Faults, samples.Fault(s))
		return nil
	})
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("what is %q? flags begin with --", flags.Arg(0))
	}
	s, err := samples.StartService(ctx, name, o, at)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s listens on %s\n", name, s.URL())
	<-ctx.Done()
	return s.Close()
}

func list[T ~string](all []T) string {
	var b strings.Builder
	for i, v := range all {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(v))
	}
	return b.String()
}
