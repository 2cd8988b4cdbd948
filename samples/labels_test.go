package samples_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/samples"
	"muster/samples/faults"
	"muster/samples/truth"
)

// spansOf are the spans of a trace that keep says yes to.
func (e *evidence) spansOf(trace string, keep func(span) bool) []span {
	var out []span
	for k, s := range e.spans {
		if k[0] == trace && keep(s) {
			out = append(out, s)
		}
	}
	return out
}

// linesWith are the lines in which every field has the value that is given,
// spelled as fmt.Sprint does.
func (e *evidence) linesWith(fields map[string]string) []map[string]any {
	var out []map[string]any
	for _, line := range e.lines {
		all := true
		for field, want := range fields {
			all = all && fmt.Sprint(line[field]) == want
		}
		if all {
			out = append(out, line)
		}
	}
	return out
}

// calling are spans of calls to a peer with a method.
func calling(peer, method string) func(span) bool {
	return func(s span) bool {
		return s.Name == peer && s.Namespace == "remote" && s.HTTP.Request.Method == method
	}
}

func named(name string) func(span) bool { return func(s span) bool { return s.Name == name } }

// root are segments that nothing of the fleet called.
func root(service string) func(span) bool {
	return func(s span) bool { return s.Name == service && s.Parent == "" }
}

// shows says what of a fault's label the evidence lacks; "" for nothing.
var shows = map[faults.Fault]func(e *evidence, l truth.Label) string{
	faults.SlowDependency: func(e *evidence, l truth.Label) string {
		return unless(longest(e, l.Traces[0], "payments") >= 1.2, "payments was quick")
	},
	faults.NPlusOne: func(e *evidence, l truth.Label) string {
		return unless(mostRepeated(e, l.Traces[0]) >= 10, "no loop of calls")
	},
	faults.PaymentRefused: func(e *evidence, l truth.Label) string {
		refused := e.spansOf(l.Traces[0], func(s span) bool { return s.HTTP.Response.Status == http.StatusPaymentRequired })
		return unless(len(refused) > 0 && longest(e, l.Traces[0], "compensate") > 0, "not refused and compensated")
	},
	faults.FailedWithoutCompensation: func(e *evidence, l truth.Label) string {
		failed := e.linesWith(map[string]string{"msg": "saga failed", "saga_id": l.Subject})
		return unless(len(failed) == 1 && len(e.spansOf(l.Traces[0], named("compensate"))) == 0, "compensated, or not failed")
	},
	faults.CompensatedTwice: func(e *evidence, l truth.Label) string {
		released := e.linesWith(map[string]string{"msg": "reservation released", "order": l.Subject})
		calls := e.spansOf(l.Traces[0], calling("inventory", http.MethodDelete))
		return unless(len(released) == 2 && len(calls) == 2, "%d releases, %d calls", len(released), len(calls))
	},
	faults.LostSagaStep: func(e *evidence, l truth.Label) string {
		began := e.linesWith(map[string]string{"msg": "saga started", "saga_id": l.Subject})
		ended := append(e.linesWith(map[string]string{"msg": "saga completed", "saga_id": l.Subject}),
			e.linesWith(map[string]string{"msg": "saga failed", "saga_id": l.Subject})...)
		shipped := e.spansOf(l.Traces[0], calling("shipping", http.MethodPost))
		return unless(len(began) == 1 && len(ended) == 0 && len(shipped) == 0, "began %v, ended %v", began, ended)
	},
	faults.RetryStorm: func(e *evidence, l truth.Label) string {
		tries := e.spansOf(l.Traces[0], calling("inventory", http.MethodPost))
		failed := slices.DeleteFunc(slices.Clone(tries), func(s span) bool { return s.HTTP.Response.Status != http.StatusServiceUnavailable })
		return unless(len(tries) == 6 && len(failed) == 5, "%d tries, %d failed", len(tries), len(failed))
	},
	faults.DependencyCycle: func(e *evidence, l truth.Label) string {
		for _, back := range e.spansOf(l.Traces[0], calling("orders", http.MethodGet)) {
			for s := back; s.Parent != ""; s = e.spans[[2]string{l.Traces[0], s.Parent}] {
				if s.Name == "inventory" {
					return ""
				}
			}
		}
		return "inventory called nobody back"
	},
	faults.SharedTable: func(e *evidence, l truth.Label) string {
		r := e.records[l.Requests[0]]
		return unless(strings.Contains(r.Identity.ARN, "/muster-inventory/") && r.Parameters["tableName"] == "orders",
			"call %+v", r)
	},
	faults.GatewayBypass: func(e *evidence, l truth.Label) string {
		return unless(len(e.spansOf(l.Traces[0], root("orders"))) == 1, "the trace does not begin at orders")
	},
	faults.DroppedTraceHeader: func(e *evidence, l truth.Label) string {
		for _, s := range e.spans {
			if root("shipping")(s) && s.Annotations["correlation_id"] == l.Journeys[0] && s.Trace != l.Traces[0] {
				return unless(len(e.spansOf(l.Traces[0], named("shipping"))) == 0, "shipping is in the trace")
			}
		}
		return "no trace of the journey begins at shipping"
	},
	faults.LowCacheHitRatio: func(e *evidence, l truth.Label) string {
		missed := e.spansOf(l.Traces[0], func(s span) bool { return s.Annotations["cache"] == "miss" })
		return unless(len(missed) == 1, "%d misses", len(missed))
	},
	faults.StaleRead: func(e *evidence, l truth.Label) string {
		read := e.linesWith(map[string]string{"msg": "order found", "order": l.Subject, "sequence": "1"})
		behind := e.linesWith(map[string]string{"msg": "event appended", "aggregate_id": l.Subject, "sequence": "3"})
		return unless(len(read) > 0 && len(behind) == 1, "read %v, appended %v", read, behind)
	},
	faults.PoisonMessage: func(e *evidence, l truth.Label) string {
		failed := e.linesWith(map[string]string{"msg": "message failed", "message_id": l.Messages[0]})
		tried := make(map[string]bool)
		for _, s := range e.spans {
			if s.Annotations["message_id"] == l.Messages[0] && s.Name == "document" {
				tried[s.Trace] = true
			}
		}
		return unless(len(failed) == 3 && len(tried) == 3, "%d lines, %d traces", len(failed), len(tried))
	},
	faults.ServiceWithoutLogs: func(e *evidence, l truth.Label) string {
		spans, lines := 0, e.linesWith(map[string]string{"service": l.Subject})
		for _, s := range e.spans {
			if root := named(l.Subject); root(s) {
				spans++
			}
		}
		return unless(spans > 0 && len(lines) == 0, "%d spans, %d lines", spans, len(lines))
	},
	faults.RegisteredWithoutTraffic: func(e *evidence, l truth.Label) string {
		for _, s := range e.spans {
			if s.Name == l.Subject {
				return "it has a span"
			}
		}
		return unless(e.records[l.Requests[0]].Name == "RegisterInstance", "call %+v", e.records[l.Requests[0]])
	},
	faults.MissingTimeout: func(e *evidence, l truth.Label) string {
		return unless(longest(e, l.Traces[0], "fraud") >= 1.9, "fraud was quick")
	},
	faults.BadDeployment: func(e *evidence, l truth.Label) string {
		if len(l.Requests) == 0 { // an order that it failed
			failed := e.spansOf(l.Traces[0], func(s span) bool {
				return s.Name == "shipping" && s.Annotations["version"] == "1.5.0" && s.HTTP.Response.Status == http.StatusInternalServerError
			})
			return unless(len(failed) == 1, "%d failures", len(failed))
		}
		var names []string
		for _, request := range l.Requests {
			names = append(names, e.records[request].Name)
		}
		want := []string{"RegisterTaskDefinition", "UpdateService", "RegisterTaskDefinition", "UpdateService"}
		return unless(slices.Equal(names, want), "calls %v", names)
	},
	faults.EventGap: func(e *evidence, l truth.Label) string {
		before := e.linesWith(map[string]string{"msg": "event appended", "aggregate_id": l.Subject, "sequence": "1"})
		missing := e.linesWith(map[string]string{"msg": "event appended", "aggregate_id": l.Subject, "sequence": "2"})
		after := e.linesWith(map[string]string{"msg": "event appended", "aggregate_id": l.Subject, "sequence": "3"})
		return unless(len(before) == 1 && len(missing) == 0 && len(after) == 1, "%v %v %v", before, missing, after)
	},
	faults.OversizedPayload: func(e *evidence, l truth.Label) string {
		large := e.spansOf(l.Traces[0], func(s span) bool { return s.HTTP.Response.Length > 64<<10 })
		return unless(len(large) > 0, "no large answer")
	},
	faults.ErrorInside200: func(e *evidence, l truth.Label) string {
		said := e.linesWith(map[string]string{"level": "ERROR", "order": l.Subject, "msg": "catalogue cannot be read"})
		bad := e.spansOf(l.Traces[0], func(s span) bool { return s.HTTP.Response.Status >= http.StatusBadRequest })
		return unless(len(said) == 1 && len(bad) == 0, "said %v, statuses %v", said, bad)
	},
}

// callsOf are the events that the requests of a label are, in their order; the
// principal is in the ARN of each.
var callsOf = map[string]struct {
	names     []string
	principal string
}{
	"security-group-open":    {[]string{"AuthorizeSecurityGroupIngress"}, "user/deployer"},
	"dynamodb-scan-outside":  {[]string{"Scan"}, "muster-orders/debug"},
	"trail-stopped":          {[]string{"StopLogging"}, "user/deployer"},
	"bucket-public":          {[]string{"PutBucketPolicy"}, "user/deployer"},
	"administrator-attached": {[]string{"AttachUserPolicy"}, "user/deployer"},
	"kms-key-deletion":       {[]string{"ScheduleKeyDeletion"}, "user/deployer"},
	"service-key-outside":    {[]string{"GetCallerIdentity", "Scan"}, "muster-payments/payments-task"},
	"role-chain":             {[]string{"Scan"}, "muster-payments/ada"},
	"manual-change":          {[]string{"SetQueueAttributes"}, "user/ada"},
}

// events says how to hold a label of an incident or of noise against the trail.
func events(l truth.Label) func(e *evidence, l truth.Label) string {
	switch l.Name {
	case "root-console-login", "console-login-without-mfa":
		return func(e *evidence, l truth.Label) string {
			for _, r := range e.consoleLogins {
				if strings.HasSuffix(r.Identity.ARN, ":"+l.Subject) || strings.HasSuffix(r.Identity.ARN, "user/"+l.Subject) {
					return ""
				}
			}
			return "no ConsoleLogin"
		}
	case "config-rule-violated":
		return func(e *evidence, l truth.Label) string {
			want := map[bool]string{true: "RevokeSecurityGroupIngress", false: "AuthorizeSecurityGroupIngress"}[strings.HasSuffix(l.Subject, "remedied")]
			// The other group that is open stays so: the rule can tell.
			closed, open := e.verdicts[l.Resources[0]], slices.Contains(slices.Collect(maps.Values(e.verdicts)), "NON_COMPLIANT")
			return unless(e.records[l.Requests[0]].Name == want && closed == "COMPLIANT" && open, "call %+v, verdicts %v", e.records[l.Requests[0]], e.verdicts)
		}
	case samples.UnsampledRequest:
		return func(e *evidence, l truth.Label) string {
			spans, services := e.spansOf(l.Traces[0], func(span) bool { return true }), make(map[any]bool)
			for _, line := range e.lines {
				if shown, _ := line["trace_id"].(string); truth.TraceID(shown) == l.Traces[0] {
					services[line["service"]] = true
				}
			}
			return unless(len(spans) == 0 && services[samples.Gateway] && services[samples.Orders], "%d spans, lines of %v", len(spans), services)
		}
	case samples.HealthChecks:
		return func(e *evidence, _ truth.Label) string {
			probes := 0
			for _, line := range e.lines {
				if text, _ := line["text"].(string); strings.Contains(text, `"GET /healthz HTTP/1.1" 204`) && strings.Contains(text, "ELB-HealthChecker/") {
					probes++
				}
			}
			return unless(probes > 1, "%d lines of Envoy's", probes)
		}
	case samples.DeploymentRoutine, samples.CompetingWrites:
		return func(_ *evidence, l truth.Label) string {
			return unless(len(l.Requests) > 1, "%d calls", len(l.Requests))
		}
	}
	want, ok := callsOf[l.Name]
	if !ok {
		return nil
	}
	return func(e *evidence, l truth.Label) string {
		for i, request := range l.Requests {
			if r := e.records[request]; r.Name != want.names[i] || !strings.HasSuffix(r.Identity.ARN, want.principal) {
				return fmt.Sprintf("call %+v, want %s by %s", r, want.names[i], want.principal)
			}
		}
		return unless(len(l.Requests) == len(want.names), "%d calls", len(l.Requests))
	}
}

func unless(ok bool, format string, args ...any) string {
	if ok {
		return ""
	}
	return fmt.Sprintf(format, args...)
}

// checkLabels holds every label against the evidence: its ids are there, and it
// shows what the label says.
func checkLabels(t *testing.T, f *truth.File, e *evidence) {
	t.Helper()
	count, unsure := make(map[string]int), make(map[string]bool)
	for _, c := range f.Calls {
		unsure[c.Request] = c.Unsure
	}
	for _, l := range f.Labels {
		count[l.Name]++
		for _, trace := range l.Traces {
			if l.Name != samples.UnsampledRequest && len(e.spansOf(trace, func(span) bool { return true })) == 0 {
				t.Errorf("%s of %s: trace %s is not in X-Ray", l.Name, l.Subject, trace)
			}
		}
		for _, request := range l.Requests {
			if e.calls[request] == 0 && !unsure[request] {
				t.Errorf("%s of %s: request %s is not in the trail", l.Name, l.Subject, request)
			}
		}
		show := shows[faults.Fault(l.Name)]
		if l.Kind != truth.LabelFault {
			show = events(l)
		}
		if show == nil {
			t.Errorf("nothing checks the label %s", l.Name)
		} else if lacks := show(e, l); lacks != "" {
			t.Errorf("%s of %s, traces %v: %s", l.Name, l.Subject, l.Traces, lacks)
		}
	}
	for _, name := range append(f.Faults, f.Incidents...) {
		if count[name] == 0 {
			t.Errorf("%s was on, and did nothing", name)
		}
	}
}

// TestLabelsOfASeedAreTheSame takes what both runs had time for.
func TestLabelsOfASeedAreTheSame(t *testing.T) {
	labels := func() map[string]bool {
		f, _, _ := run(t, samples.Options{Seed: 3, Faults: samples.Faults()})
		out := make(map[string]bool)
		for _, l := range f.Labels {
			subject := l.Subject[strings.LastIndexByte(l.Subject, '-')+1:]
			if subject < "0009" || subject > "9999" { // of orders, those that both runs have had time for
				out[l.Name+" "+subject] = true
			}
		}
		return out
	}
	if diff := cmp.Diff(labels(), labels()); diff != "" {
		t.Errorf("labels of one seed (-first +second):\n%s", diff)
	}
}
