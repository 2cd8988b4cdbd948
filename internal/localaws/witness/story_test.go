//go:build engines

// Package witness has strangers look at the stand-in: programs with nothing but
// boto3, and other people's emulators of AWS, which must answer the same.
package witness

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-cmp/cmp"

	"muster/internal/engines"
	"muster/internal/localaws"
	"muster/samples"
	"muster/samples/truth"
)

//go:embed requirements.txt
var requirements string

// python runs a script of this folder to its end and returns what it printed.
func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	interpreter, err := engines.Python(t.Context(), "boto3", requirements)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, interpreter, append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull,
		"AWS_ACCESS_KEY_ID="+localaws.BootstrapKey, "AWS_SECRET_ACCESS_KEY="+localaws.BootstrapSecret, "AWS_DEFAULT_REGION="+localaws.DefaultRegion)
	out, err := cmd.Output()
	if failed, ok := errors.AsType[*exec.ExitError](err); ok {
		t.Fatalf("%s: %v\n%s", script, err, failed.Stderr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A story is what story.py prints.
type story struct {
	Trace string
	Spans []struct{ ID, Name string }
	Lines []struct{ Group, Message string }
	// Request ids are those of the calls behind the events.
	Events  []struct{ ID, Name, Request, Who string }
	Changes []struct{ Resource, Status, State string }
}

// TestStrangerPullsTheStoryOfAnOrder has a script with boto3 only tell the story
// of an order of the sample fleet, and holds it to what the fleet did.
func TestStrangerPullsTheStoryOfAnOrder(t *testing.T) {
	for name, search := range map[string]bool{"classic": false, "transaction search": true} {
		t.Run(name, func(t *testing.T) {
			aws, err := localaws.Start(t.Context(), localaws.Options{TransactionSearch: search})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := aws.Close(); err != nil {
					t.Error(err)
				}
			})
			t.Cleanup(http.DefaultClient.CloseIdleConnections)
			recorder := truth.NewRecorder(1, time.Now)
			fleet, err := samples.Start(t.Context(), samples.Options{
				Endpoint: aws.Endpoint(), DaemonAddr: aws.DaemonAddr(), Region: localaws.DefaultRegion, Seed: 1, Truth: recorder,
				Credentials: credentials.NewStaticCredentialsProvider(localaws.BootstrapKey, localaws.BootstrapSecret, ""),
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(fleet.Load(t.Context(), 3*time.Second), fleet.Drain(t.Context()), fleet.Close()); err != nil {
				t.Fatal(err)
			}
			aws.Drain()
			file := recorder.File()
			order := slices.IndexFunc(file.Requests, func(r truth.Request) bool { return r.Status == http.StatusCreated })
			if order < 0 {
				t.Fatalf("none of %d requests placed an order", len(file.Requests))
			}
			trace := file.Requests[order].Trace

			var got story
			if err := json.Unmarshal(python(t, "story.py", aws.Endpoint(), trace), &got); err != nil {
				t.Fatal(err)
			}
			want, shown := due(file, trace)
			for _, s := range got.Spans {
				delete(want, "span "+s.ID)
			}
			for _, e := range got.Events {
				delete(want, "call "+e.Request)
			}
			if len(want) > 0 {
				t.Errorf("the story lacks %v", want)
			}
			if len(got.Lines) != shown {
				t.Errorf("the story has %d lines, the fleet wrote %d that show the trace", len(got.Lines), shown)
			}
			var resources []string
			for _, c := range got.Changes {
				resources = append(resources, c.Resource)
			}
			if !slices.Contains(resources, "AWS::DynamoDB::Table/orders") {
				t.Errorf("Config is asked about %v", resources)
			}
			if d := cmp.Diff(trace, got.Trace); d != "" {
				t.Error(d)
			}
		})
	}
}

// due is what the story of a trace must hold, and how many lines show its id.
func due(file *truth.File, trace string) (want map[string]bool, lines int) {
	want = map[string]bool{}
	for _, s := range file.Spans {
		if s.Trace == trace {
			want["span "+s.ID] = true
		}
	}
	for _, c := range file.Calls {
		if c.Trace == trace && !c.Retried {
			want[fmt.Sprint("call ", c.Request)] = true
		}
	}
	for _, l := range file.Lines {
		if l.Trace == trace && !l.Unlinked {
			lines++
		}
	}
	return want, lines
}
