package main

import (
	"strings"
	"testing"

	"muster/internal/localaws"
)

// TestAccountsAreReadTogether: one command reads an organization, and an account
// that may not be read stops nothing.
func TestAccountsAreReadTogether(t *testing.T) {
	_, flags := account(t, localaws.Options{Members: []localaws.Member{{ID: "444455556666"}, {ID: "777788889999"}}})
	store, rest := flags[:2], flags[2:]
	several := append([]string{"--accounts", "111122223333,444455556666,999988887777", "--assume-role", "muster-reader", "--regions", "us-east-1,eu-central-1"}, rest...)
	out, stderr, code := muster(t, append(append([]string{"collect", "--source", "xray,cloudtrail"}, store...), several...)...)
	if code != exitOK || !strings.Contains(out, "collect: ") || !strings.Contains(stderr, "allow sts:AssumeRole") {
		t.Fatalf("exit %d\n%s%s", code, out, stderr)
	}
	ledger := mustMuster(t, append([]string{"sql", "--csv", "select stream, coverage, reason from ledger order by stream"}, store...)...)
	for _, want := range []string{
		"xray/111122223333/eu-central-1,complete", "xray/444455556666/us-east-1,complete", "cloudtrail/444455556666/eu-central-1,complete",
		"xray/999988887777/us-east-1,partial,denied", "cloudtrail/999988887777/eu-central-1,partial,denied",
	} {
		if !strings.Contains(ledger, want) {
			t.Errorf("no %q in\n%s", want, ledger)
		}
	}
	out, _, code = muster(t, append([]string{"doctor", "--source", "xray"}, several...)...)
	if code != exitFindings || !strings.Contains(out, "account 444455556666, region eu-central-1\n") || !strings.Contains(out, "do:  let the caller assume the role") {
		t.Errorf("exit %d\n%s", code, out)
	}
	if out := mustMuster(t, append([]string{"plan", "--source", "xray"}, several...)...); !strings.Contains(out, "xray 444455556666 eu-central-1") || !strings.Contains(out, "assume arn:aws:iam::999988887777:role/muster-reader") {
		t.Errorf("got\n%s", out)
	}
	if out := mustMuster(t, "collect", "--iam-caller", "--organization", "--assume-role", "muster-reader", "--region", "eu-central-1", "--trail-bucket", "audit"); !strings.Contains(out, `"arn:aws:iam::*:role/muster-reader"`) ||
		!strings.Contains(out, "organizations:ListAccounts") || !strings.Contains(out, "arn:aws:s3:::audit") {
		t.Errorf("got\n%s", out)
	}
	if out := mustMuster(t, "collect", "--iam", "--accounts", "444455556666", "--assume-role", "muster-reader", "--regions", "eu-central-1,us-east-1", "--trail-bucket", "audit"); strings.Contains(out, "s3:") ||
		!strings.Contains(out, `"arn:aws:logs:*:*:log-group:*:*"`) {
		t.Errorf("got\n%s", out)
	}
	if _, stderr, code := muster(t, append(append([]string{"collect", "--accounts", "444455556666"}, store...), rest...)...); code != exitFailure || !strings.Contains(stderr, "takes a role in each") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}
