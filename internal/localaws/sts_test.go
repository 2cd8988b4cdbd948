package localaws

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func TestGetCallerIdentityKnowsTheDeployerAndNamesStrangersAfterTheirKey(t *testing.T) {
	s := start(t, Options{})
	for key, want := range map[string]string{
		BootstrapKey: "arn:aws:iam::111122223333:user/deployer",
		"test":       "arn:aws:iam::111122223333:user/test",
	} {
		out, err := sts.NewFromConfig(client(t, s, key)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
		if err != nil {
			t.Fatal(err)
		}
		if aws.ToString(out.Arn) != want || aws.ToString(out.Account) != DefaultAccount {
			t.Errorf("key %s is %s in %s, want %s", key, *out.Arn, *out.Account, want)
		}
	}
}

func TestAssumeRoleIssuesKeysThatActAsTheSession(t *testing.T) {
	s := start(t, Options{})
	deployer := sts.NewFromConfig(from(client(t, s, BootstrapKey), "10.0.1.7"))
	out, err := deployer.AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::111122223333:role/muster-orders"), RoleSessionName: aws.String("orders-task"),
	})
	if err != nil {
		t.Fatal(err)
	}
	key := aws.ToString(out.Credentials.AccessKeyId)
	me, err := sts.NewFromConfig(client(t, s, key)).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task"; aws.ToString(me.Arn) != want {
		t.Errorf("the session is %s, want %s", *me.Arn, want)
	}

	events := lookup(t, s)
	if len(events) != 2 {
		t.Fatalf("%d events, want GetCallerIdentity and AssumeRole", len(events))
	}
	var issued, used event
	for i, ev := range []*event{&used, &issued} {
		if err := json.Unmarshal([]byte(*events[i].CloudTrailEvent), ev); err != nil {
			t.Fatal(err)
		}
	}
	if issued.RequestID != requestID(t, out.ResultMetadata) {
		t.Errorf("AssumeRole's event has request %s, its response %s", issued.RequestID, requestID(t, out.ResultMetadata))
	}
	credentials := issued.ResponseElements.(map[string]any)["credentials"].(map[string]any)
	if credentials["accessKeyId"] != key || credentials["secretAccessKey"] != nil {
		t.Errorf("AssumeRole's event shows credentials %v, want key %s and no secret", credentials, key)
	}
	if issued.SourceIPAddress != "10.0.1.7" {
		t.Errorf("AssumeRole came from %s", issued.SourceIPAddress)
	}
	if used.UserIdentity.AccessKeyID != key || used.UserIdentity.SessionContext.SessionIssuer.UserName != "muster-orders" {
		t.Errorf("the session's event has identity %+v", used.UserIdentity)
	}
}

func TestAssumeRoleRefusesWhatAWSRefuses(t *testing.T) {
	s := start(t, Options{})
	for _, tt := range []struct{ role, session, want string }{
		{"arn:aws:iam::111122223333:role/other", "task", "AccessDenied"},
		{"arn:aws:iam::999999999999:role/muster-orders", "task", "AccessDenied"},
		{"arn:aws:iam::111122223333:role/muster-orders", "no blanks", "ValidationError"},
		{"muster-orders", "task", "ValidationError"},
	} {
		_, err := sts.NewFromConfig(client(t, s, BootstrapKey)).AssumeRole(t.Context(), &sts.AssumeRoleInput{
			RoleArn: &tt.role, RoleSessionName: &tt.session,
		})
		var apiErr smithy.APIError
		if !errors.As(err, &apiErr) || apiErr.ErrorCode() != tt.want {
			t.Errorf("AssumeRole(%s, %s) = %v, want %s", tt.role, tt.session, err, tt.want)
		}
	}
}

// assume opens a session of a service's role and returns its key.
func assume(t *testing.T, s *Server, service string) string {
	t.Helper()
	out, err := sts.NewFromConfig(client(t, s, BootstrapKey)).AssumeRole(t.Context(), &sts.AssumeRoleInput{
		RoleArn:         aws.String("arn:aws:iam::111122223333:role/muster-" + service),
		RoleSessionName: aws.String(service + "-task"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Credentials.AccessKeyId
}

func TestOldestSessionIsForgotten(t *testing.T) {
	ids := newIdentities(DefaultAccount)
	first := ids.assume(DefaultAccount, "muster-orders", "task", time.Now(), time.Now().Add(time.Hour))
	for range maxSessions {
		ids.assume(DefaultAccount, "muster-orders", "task", time.Now(), time.Now().Add(time.Hour))
	}
	if got := ids.of(first.AccessKey); got.Type != "IAMUser" || len(ids.sessions) != maxSessions {
		t.Errorf("after %d sessions the first is %+v", len(ids.sessions), got)
	}
}
