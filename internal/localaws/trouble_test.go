package localaws

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

// decisions asks a trouble the same things in the same order.
func decisions(seed uint64) []bool {
	tr := newTrouble(seed, Trouble{Repeat: 0.5, Late: 0.5})
	var out []bool
	for range 100 {
		out = append(out, tr.repeat("a"), tr.repeat("b"), tr.delay("a", time.Second) > time.Second)
	}
	return out
}

func TestTroubleDependsOnItsSeedOnly(t *testing.T) {
	if d := cmp.Diff(decisions(7), decisions(7)); d != "" {
		t.Errorf("one seed decides differently:\n%s", d)
	}
	if cmp.Equal(decisions(7), decisions(8)) {
		t.Error("two seeds decide alike")
	}
}

func TestTroubleStrikesAsOftenAsItShould(t *testing.T) {
	for _, odds := range []float64{0, 0.01, 0.1, 0.5, 0.9} {
		tr := newTrouble(1, Trouble{Repeat: odds})
		const n = 20_000
		strikes := 0
		for range n {
			if tr.repeat("x") {
				strikes++
			}
		}
		// Five standard deviations of the most uneven of these odds.
		if got := float64(strikes) / n; got < odds-0.02 || got > odds+0.02 {
			t.Errorf("odds %v struck in %v of the cases", odds, got)
		}
	}
}

func TestTroubleSparesTheFleetUnlessAsked(t *testing.T) {
	for _, all := range []bool{false, true} {
		s := start(t, Options{Trouble: Trouble{Throttle: 0.999999, All: all}})
		cfg := client(t, s, "AKIDCALLER")
		_, err := cloudtrail.NewFromConfig(cfg).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
		wantCode(t, err, "ThrottlingException")
		_, err = s3.NewFromConfig(cfg).ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(s.TrailBucket())})
		wantCode(t, err, "SlowDown")
		_, err = sts.NewFromConfig(cfg).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if (err != nil) != all {
			t.Errorf("with all %v, the fleet's call: %v", all, err)
		}
	}
}

func TestThrottledCallsAreRecorded(t *testing.T) {
	s := start(t, Options{Trouble: Trouble{Throttle: 0.999999}})
	_, err := cloudtrail.NewFromConfig(client(t, s, "AKIDCALLER")).LookupEvents(t.Context(), &cloudtrail.LookupEventsInput{})
	wantCode(t, err, "ThrottlingException")
	s.trail.mu.Lock()
	defer s.trail.mu.Unlock()
	if n := len(s.trail.lookup); n != 1 || s.trail.lookup[0].ErrorCode != "ThrottlingException" {
		t.Errorf("%d events are recorded", n)
	}
}

func TestTrailIsReadThroughTrouble(t *testing.T) {
	s := start(t, Options{Seed: 11, Trouble: Trouble{Throttle: 0.2, Fail: 0.2, EmptyPage: 0.4}})
	identify(t, s, 80)
	if n := len(trailEvents(t, s)); n != 80 {
		t.Errorf("%d events were read, want 80", n)
	}
}
