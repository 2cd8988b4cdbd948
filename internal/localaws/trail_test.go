package localaws

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// trailKeys lists the trail's files.
func trailKeys(t *testing.T, s *Server) []string {
	t.Helper()
	return keys(t, s3.NewFromConfig(retrying(t, s, "AKIDREADER")), &s3.ListObjectsV2Input{
		Bucket: aws.String(s.TrailBucket()), Prefix: aws.String("AWSLogs/"),
	})
}

// trailEvents drains the stand-in and reads all files of the trail. Events have
// no order there.
func trailEvents(t *testing.T, s *Server) []event {
	t.Helper()
	s.Drain()
	objects := s3.NewFromConfig(retrying(t, s, "AKIDREADER"))
	var out []event
	for _, key := range trailKeys(t, s) {
		object, err := objects.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String(s.TrailBucket()), Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		defer object.Body.Close()
		z, err := gzip.NewReader(object.Body)
		if err != nil {
			t.Fatal(err)
		}
		var file struct{ Records []event }
		if err := json.NewDecoder(z).Decode(&file); err != nil {
			t.Fatal(err)
		}
		out = append(out, file.Records...)
	}
	return out
}

// identify makes n calls that are recorded and returns their request ids.
func identify(t *testing.T, s *Server, n int) []string {
	t.Helper()
	ids, err := callerIdentities(t.Context(), sts.NewFromConfig(client(t, s, "AKIDCALLER")), n)
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func callerIdentities(ctx context.Context, caller *sts.Client, n int) ([]string, error) {
	var ids []string
	for range n {
		out, err := caller.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
		if err != nil {
			return ids, err
		}
		id, _ := awsmiddleware.GetRequestIDMetadata(out.ResultMetadata)
		ids = append(ids, id)
	}
	return ids, nil
}

func TestTrailFilesComeLateAndHoldEveryEventOnce(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now, Delay: Delay{Trail: 5 * time.Minute}})
	want := identify(t, s, 120)
	if early := trailKeys(t, s); len(early) != 0 {
		t.Fatalf("%d files are there at once", len(early))
	}
	clock.advance(5 * time.Minute)
	files := trailKeys(t, s)
	if len(files) < 3 {
		t.Errorf("%d events are in %d files, want several", len(want), len(files))
	}
	name := regexp.MustCompile(`^AWSLogs/111122223333/CloudTrail/us-east-1/2026/11/24/111122223333_CloudTrail_us-east-1_20261124T1205Z_[A-Z2-7]{16}\.json\.gz$`)
	for _, key := range files {
		if !name.MatchString(key) {
			t.Errorf("a file is called %s", key)
		}
	}
	var got []string
	for _, ev := range trailEvents(t, s) {
		got = append(got, ev.RequestID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("the files hold %d requests, want the %d that were made", len(got), len(want))
	}
}

func TestTrailRepeatsAndIsLateWhenTroubled(t *testing.T) {
	clock := newHandClock()
	s := start(t, Options{Now: clock.Now, Seed: 7, Delay: Delay{Trail: time.Minute}, Trouble: Trouble{Repeat: 0.5, Late: 0.5}})
	want := identify(t, s, 60)
	clock.advance(time.Minute)
	punctual := len(trailKeys(t, s))
	if punctual == 0 {
		t.Error("nothing came in time")
	}
	clock.advance((lateFactor - 1) * time.Minute)
	if all := len(trailKeys(t, s)); all <= punctual {
		t.Error("nothing came late")
	}
	times := make(map[string]int)
	for _, ev := range trailEvents(t, s) {
		times[ev.RequestID]++
	}
	repeated := 0
	for _, id := range want {
		if times[id] > 1 {
			repeated++
		}
	}
	if len(times) != len(want) || repeated == 0 || repeated == len(want) {
		t.Errorf("%d of %d requests are there, %d of them repeatedly", len(times), len(want), repeated)
	}
}

func TestTrailForgetsItsOldestFiles(t *testing.T) {
	s := start(t, Options{})
	for n := range maxFiles {
		s.trail.files = append(s.trail.files, "gone/"+strconv.Itoa(n))
	}
	identify(t, s, 1)
	s.Drain()
	if n := len(s.trail.files); n != maxFiles || s.trail.files[0] != "gone/1" {
		t.Errorf("the trail has %d files, beginning with %s", n, s.trail.files[0])
	}
}

func TestTrailDoesNotRecordItsOwnBucket(t *testing.T) {
	s := start(t, Options{})
	identify(t, s, 1)
	before := trailEvents(t, s)
	after := trailEvents(t, s)
	if len(after) != len(before) {
		t.Errorf("reading the trail added %d events", len(after)-len(before))
	}
}

func TestFullTrailWritesWithoutAReader(t *testing.T) {
	s := start(t, Options{})
	for range maxPending {
		s.trail.add(event{EventName: "Test", Region: DefaultRegion, EventID: strings.Repeat("0", 36)}, s.now())
	}
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	if len(s.trail.pending) != 0 || len(s.trail.files) == 0 {
		t.Errorf("%d events wait and %d files are written", len(s.trail.pending), len(s.trail.files))
	}
}

func TestTrailLosesNothingWhileItIsReadAndDrained(t *testing.T) {
	s := start(t, Options{Delay: Delay{Trail: 10 * time.Millisecond}, Seed: 2, Trouble: Trouble{Late: 0.3}})
	const writers, calls = 4, 50
	type answer struct {
		ids []string
		err error
	}
	answers := make(chan answer, writers)
	for range writers {
		caller := sts.NewFromConfig(client(t, s, "AKIDCALLER"))
		go func() {
			ids, err := callerIdentities(t.Context(), caller, calls)
			answers <- answer{ids, err}
		}()
	}
	var want, got []string
	for left := writers; left > 0; {
		trailKeys(t, s)
		s.Drain()
		select {
		case a := <-answers:
			left--
			want = append(want, a.ids...)
			if a.err != nil {
				t.Error(a.err)
			}
		default:
		}
	}
	for _, ev := range trailEvents(t, s) {
		got = append(got, ev.RequestID)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Errorf("the files hold %d requests, want the %d that were made", len(got), len(want))
	}
}
