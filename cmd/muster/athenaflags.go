package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"muster/stores/lake"
)

// maxReuse is how old an answer Athena takes again at most.
const maxReuse = 7 * 24 * time.Hour

// athenaFlags say how a lake on S3 is asked.
func (a *app) athenaFlags(fs *pflag.FlagSet) {
	fs.StringVar(&a.athena.Workgroup, "athena-workgroup", "primary", "Athena workgroup that a lake on S3 is asked in")
	fs.Var(&outputFlag{&a.athena.Output}, "athena-output", "s3:// `URL` for Athena's answers; default where the workgroup says, else athena-results/ below the lake")
	fs.Var(&reuseFlag{&a.athena.Reuse}, "athena-reuse", "take an earlier answer to the same question if it is at most so old: whole minutes up to 7 days; default none, since it lacks what came since")
}

// outputFlag is an s3:// URL.
type outputFlag struct{ url *string }

func (f *outputFlag) String() string { return *f.url }
func (*outputFlag) Type() string     { return "URL" }

func (f *outputFlag) Set(s string) error {
	if rest, ok := strings.CutPrefix(s, "s3://"); !ok || rest == "" || strings.HasPrefix(rest, "/") {
		return errors.New("give s3://bucket/prefix/")
	}
	*f.url = s
	return nil
}

// reuseFlag is a duration in whole minutes.
type reuseFlag struct{ age *time.Duration }

func (f *reuseFlag) String() string { return f.age.String() }
func (*reuseFlag) Type() string     { return "duration" }

func (f *reuseFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxReuse || d%time.Minute != 0 {
		return fmt.Errorf("give whole minutes such as 15m, up to %s", maxReuse)
	}
	*f.age = d
	return nil
}

// tellCost says what an answer cost, where it cost something.
func tellCost(w io.Writer, rows *lake.Rows) error {
	if c := rows.Cost(); c != nil {
		_, err := fmt.Fprintln(w, "athena:", c)
		return err
	}
	return nil
}
