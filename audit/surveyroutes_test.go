package audit

import "testing"

func TestRouteNamesLeaveOutWhatNamesOneThing(t *testing.T) {
	for name, want := range map[string]string{
		"GET /prod/v2/orders/order-6a1f-12/lines/3":         "GET /prod/v2/orders/{id}/lines/{id}",
		"GET /a/0f8fad5b-d9cb-469f-a165-70867728950e":       "GET /a/{id}",
		"GET /orders?page=12":                               "GET /orders",
		"POST /orders/":                                     "POST /orders/",
		"order-6a1f-12":                                     "order-6a1f-12", // no path
		"dynamodb:GetItem":                                  "dynamodb:GetItem",
		"GET /reports/quarterly-summary/of/all/departments": "GET /reports/quarterly-summary/of/all/departments",
	} {
		if got := routeName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// What is above a number is counted for certain, never too much.
func TestAHistogramCountsNoMoreThanThereIsAbove(t *testing.T) {
	var h histogram
	for n := range 100 {
		h.add(float64(n) / 10)
	}
	for _, least := range []float64{0, 0.5, 1, 3, 9.8, 50} {
		exact := int64(0)
		for n := range 100 {
			if float64(n)/10 >= least {
				exact++
			}
		}
		if got := h.above(least); got > exact || float64(got) < float64(exact)/stepFactor-20 {
			t.Errorf("above %v: %d of %d", least, got, exact)
		}
	}
	if h.above(50) != 0 || h.above(1) == 0 {
		t.Errorf("above 50: %d, above 1: %d", h.above(50), h.above(1))
	}
}

func TestARightThatTooManyUseIsNotJudged(t *testing.T) {
	s := newSurvey()
	grant := call("grant", at(0), "PutRolePolicy")
	grant.Attributes.Set("event_source", "iam.amazonaws.com")
	grant.Raw = []byte(`{"requestParameters":{"roleName":"r","policyDocument":"{\"Statement\":{\"Effect\":\"Allow\",\"Resource\":\"arn:aws:s3:::b/x\"}}"}}`)
	s.call(&grant)
	if got := s.sortedClaims(); len(got) != 1 || got[0].Resource != "AWS::S3::Bucket/b" || got[0].Role != "r" {
		t.Fatalf("%+v", got)
	}
	s.blind = true
	if got := s.sortedClaims(); got != nil {
		t.Errorf("%+v", got)
	}
}
