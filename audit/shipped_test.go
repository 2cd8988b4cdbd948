package audit

import "testing"

func TestShippedPoliciesPassTheirOwnTests(t *testing.T) {
	ps, err := Load(Shipped())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range Test(ps) {
		if !r.Passed() {
			t.Errorf("%s:%d: %s: %s: %s", r.File, r.Line, r.Policy, r.Case, r.Problem)
		}
	}
}
