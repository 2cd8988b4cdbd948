package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"golang.org/x/time/rate"

	"muster/fleet"
)

const closePort = "arn:aws:sns:eu-central-1:111122223333:close-port"

// topic counts what it is sent, and fails as it is told.
type topic struct {
	sync.Mutex
	got  []string
	fail error
}

func (p *topic) Publish(_ context.Context, _, _ string, body []byte) (string, error) {
	p.Lock()
	defer p.Unlock()
	if p.fail != nil {
		return "", p.fail
	}
	p.got = append(p.got, string(body))
	return fmt.Sprintf("m-%d", len(p.got)), nil
}

// offered are the remedies of findings, all of one policy.
func offered(t *testing.T, r Remedies, fs ...fleet.Finding) []Remedy {
	t.Helper()
	offers, err := r.Offers(fs, map[string]string{"open": closePort})
	if err != nil {
		t.Fatal(err)
	}
	return offers
}

func approve(t *testing.T, r Remedies, f fleet.Finding) {
	t.Helper()
	if _, err := r.Approve(f, closePort, "ada", "ticket 1", noon, false); err != nil {
		t.Fatal(err)
	}
}

func sender(p Publisher, most int) Sender {
	return Sender{Publisher: p, Rate: rate.Inf, Most: most, Now: func() time.Time { return noon }}
}

func send(t *testing.T, r Remedies, p Publisher, fs ...fleet.Finding) int {
	t.Helper()
	sent, _, err := r.Send(t.Context(), offered(t, r, fs...), sender(p, 10))
	if err != nil {
		t.Fatal(err)
	}
	return len(sent)
}

func TestRemedyIsTriggeredOnceAndOnlyWhenApproved(t *testing.T) {
	r, p := Remedies{t.TempDir()}, &topic{}
	a, b := finding("a", "open", fleet.StatusNew), finding("b", "open", fleet.StatusOpen)
	if send(t, r, p, a, b) != 0 {
		t.Error("nothing was approved")
	}
	approve(t, r, a)
	for range 2 {
		send(t, r, p, a, b)
	}
	if len(p.got) != 1 || !strings.Contains(p.got[0], `"approved_by":"ada"`) {
		t.Errorf("%v", p.got)
	}
	m, err := r.Of("a")
	if err != nil || m.Stage != Triggered || m.MessageID != "m-1" || m.ApprovedBy != "ada" || m.Note != "ticket 1" || !m.Sent.Equal(noon) {
		t.Errorf("%+v, %v", m, err)
	}
	var compact map[string]any
	if json.Unmarshal(m.Message, &compact) != nil || compact["action"] != "remediate" {
		t.Errorf("recorded as sent: %s", m.Message)
	}
	if _, err := r.Approve(a, closePort, "ada", "", noon, false); err == nil || !strings.Contains(err.Error(), "message m-1") {
		t.Error(err)
	}
}

func TestRemedyOfTwoProgramsAtOnceIsTriggeredOnce(t *testing.T) {
	r, p := Remedies{t.TempDir()}, &topic{}
	var fs []fleet.Finding
	for i := range 20 {
		fs = append(fs, finding(fmt.Sprint("f", i), "open", fleet.StatusNew))
		approve(t, r, fs[i])
	}
	offers := offered(t, r, fs...)
	var programs sync.WaitGroup
	for range 4 {
		programs.Go(func() {
			if _, _, err := r.Send(t.Context(), offers, sender(p, 100)); err != nil {
				t.Error(err)
			}
		})
	}
	programs.Wait()
	if len(p.got) != len(fs) {
		t.Errorf("%d messages for %d findings", len(p.got), len(fs))
	}
}

func TestRemedyThatMayHaveBeenSentIsNotSentAgain(t *testing.T) {
	r, p := Remedies{t.TempDir()}, &topic{fail: fmt.Errorf("%w: the answer got lost", ErrUncertain)}
	a := finding("a", "open", fleet.StatusNew)
	approve(t, r, a)
	if _, _, err := r.Send(t.Context(), offered(t, r, a), sender(p, 10)); !errors.Is(err, ErrUncertain) {
		t.Fatal(err)
	}
	p.fail = nil
	if send(t, r, p, a) != 0 {
		t.Error("it was sent again")
	}
	if _, err := r.Approve(a, closePort, "ada", "", noon, false); err == nil || !strings.Contains(err.Error(), "--again") {
		t.Error(err)
	}
	if _, err := r.Approve(a, closePort, "ada", "it had not", noon.Add(time.Hour), true); err != nil {
		t.Fatal(err)
	}
	if send(t, r, p, a) != 1 {
		t.Error("approved again, it was not sent")
	}
}

func TestRemedyThatWasRefusedIsTriedByTheNextRun(t *testing.T) {
	r, p := Remedies{t.TempDir()}, &topic{fail: errors.New("AuthorizationError")}
	a := finding("a", "open", fleet.StatusNew)
	approve(t, r, a)
	if _, _, err := r.Send(t.Context(), offered(t, r, a), sender(p, 10)); err == nil {
		t.Fatal("no error")
	}
	p.fail = nil
	if send(t, r, p, a) != 1 {
		t.Error("it was not tried again")
	}
	if m, err := r.Of("a"); err != nil || len(m.Failures) != 1 || m.Failures[0].Error != "AuthorizationError" {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestRemedyOfAnotherEpisodeNeedsAnotherApproval(t *testing.T) {
	r, p := Remedies{t.TempDir()}, &topic{}
	a := finding("a", "open", fleet.StatusNew)
	approve(t, r, a)
	send(t, r, p, a)
	over := a
	over.Status = fleet.StatusResolved
	if err := r.Close([]fleet.Finding{over}, noon.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	a.Status = fleet.StatusReopened
	if send(t, r, p, a) != 0 {
		t.Error("the approval outlived its episode")
	}
	approve(t, r, a)
	if send(t, r, p, a) != 1 {
		t.Error("the second episode's approval was worth nothing")
	}
	files, err := os.ReadDir(r.Folder)
	if err != nil || len(files) != 2 || !strings.HasPrefix(files[0].Name(), "a.sent-until-") && !strings.HasPrefix(files[1].Name(), "a.sent-until-") {
		t.Errorf("%v, %v: the first episode's record is not kept", files, err)
	}
}

func TestRemediesKeepToTheMostOfARun(t *testing.T) {
	r, p := Remedies{t.TempDir()}, &topic{}
	fs := []fleet.Finding{finding("a", "open", fleet.StatusNew), finding("b", "open", fleet.StatusNew), finding("c", "open", fleet.StatusNew)}
	for _, f := range fs {
		approve(t, r, f)
	}
	sent, left, err := r.Send(t.Context(), offered(t, r, fs...), sender(p, 2))
	if err != nil || len(sent) != 2 || left != 1 {
		t.Errorf("%d sent, %d left, %v", len(sent), left, err)
	}
}

func TestApprovalsAreRefused(t *testing.T) {
	r := Remedies{t.TempDir()}
	for _, tt := range []struct {
		id, topic, by, want string
		status              fleet.Status
	}{
		{"../a", closePort, "ada", "no finding's id", fleet.StatusNew},
		{"a", "", "ada", "names no topic", fleet.StatusNew},
		{"a", closePort, "", "--as", fleet.StatusNew},
		{"a", closePort, "ada", "is waived", fleet.StatusWaived},
		{"a", closePort, "ada", "is resolved", fleet.StatusResolved},
	} {
		if _, err := r.Approve(finding(tt.id, "open", tt.status), tt.topic, tt.by, "", noon, false); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestTriggerSendsEachMessageOnce holds that the SDK does not try again by
// itself, and which answers are taken for a refusal.
func TestTriggerSendsEachMessageOnce(t *testing.T) {
	for _, tt := range []struct {
		name      string
		status    int
		body      string
		uncertain bool
		ok        bool
	}{
		{"taken", 200, `<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>`, false, true},
		{"refused", 403, `<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>`, false, false},
		{"broken", 500, `<ErrorResponse><Error><Type>Receiver</Type><Code>InternalError</Code><Message>no</Message></Error></ErrorResponse>`, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asked := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				asked++
				w.WriteHeader(tt.status)
				fmt.Fprint(w, tt.body)
			}))
			defer server.Close()
			trigger := Trigger{sns.NewFromConfig(aws.Config{
				Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", ""),
			})}
			id, err := trigger.Publish(t.Context(), closePort, "k", []byte("{}"))
			if (err == nil) != tt.ok || errors.Is(err, ErrUncertain) != tt.uncertain || tt.ok && id != "m-1" || asked != 1 {
				t.Errorf("%q, %v, asked %d times", id, err, asked)
			}
		})
	}
}
