// Package audit holds a fleet's evidence against policies. It is given a reader
// of records and says what it found; it has no store, clock, logger or other
// I/O of its own, and the same input gives the same answer.
//
// Policies are of three kinds: in YAML with CEL, as described here, Sigma rules
// (the room sigma has their meaning), and filter patterns of CloudWatch Logs. The
// last two are run on the evidence of API calls; what is said of the life of
// findings holds for all.
//
// # A policy
//
// A policy is a YAML file. Fields that it does not know are errors.
//
//	id         what findings and command lines call it: lower-case-with-hyphens
//	title      what is wrong, in a few words
//	severity   info, low, medium, high or critical
//	rationale  why it matters
//	remedy     what to do about it
//	remediate  the ARN of an SNS topic whose subscriber puts it right, once a person
//	           has approved a finding; nothing is sent by itself
//	concern    the part of the field that it covers, as in docs/concerns.md
//	controls   the controls of benchmarks that it covers, a list
//	tags       such as attack.t1530, a list
//	references addresses of what to read, a list
//	on         what is judged, one at a time: api_call, change, verdict, trace,
//	           journey, request, which is the spans that show one request id of
//	           an AWS service, message, which is the spans that sent one
//	           message, delivery, which is the spans and lines that show one
//	           message and the call that sent it, group, or fleet, which is all of the window
//	by         on group only, where it is needed: a text of a log line; lines
//	           with the same text are a group, those with none belong to none
//	select     on api_call only: event_source and event_name, lists of which an
//	           event must match one each; all others cost nothing
//	define     names for expressions, usable in everything that follows
//	each       a list; its elements are judged one by one under the name "it"
//	when       the condition, true or false
//	evidence   the ids of the records that show it, a list; needed on trace,
//	           journey, request and message, else the record itself
//	message    what happened, in one line
//	service    whom it concerns; may be empty
//	resource   what it concerns; when empty, the first canonical resource of the
//	           first record of the evidence
//	count      how often it happened, a whole number; once where it is empty
//	key        what else tells one finding from another; may be empty
//	absence    see below
//	wait       see below
//	tests      the policy's own test cases: name, records in short (testRecord in
//	           cases.go has their fields, named as in expressions), finds, the
//	           number of findings, and if wanted count and a part of the message
//
// define, each, when and evidence are CEL expressions (cel.dev). message,
// service, resource and key are text with CEL expressions in braces, as in
// "{it.service} is slow"; "{{" and "}}" stand for braces.
//
// Occurrences with the same policy, account, resource, service and key are one
// finding, for records also the region: its count rises, and its fingerprint
// stays the same over runs. A message that differs does not make another finding.
//
// # What expressions see
//
// On api_call, change and verdict, r is the record; on verdict call and change
// are the records that led to it, empty ones where none is known. On fleet, f is
// the fleet. On trace, journey, request, message, delivery and group, t, j, q, m,
// d and g are the story: its id, trace_ids, correlation_ids, start, seconds, rooted (a finished root span is
// there), service and name of the root, services, and the lists records, spans,
// logs, calls, changes and errors of records, dependencies, and repeated. The
// types that Schema lists name all fields. Names are
// checked when a policy is loaded.
//
// Records have three functions:
//
//	r.attr("namespace")                          an attribute, "" for none
//	r.json("requestParameters.name")             a value in the evidence, by keys and
//	                                             indexes; "" for none
//	r.values("requestParameters.ipPermissions")  all values at or below a path
//
// Beside CEL's own there are its extensions for strings, lists, addresses (ip,
// cidr), local names (cel.bind) and maps. An evaluation that costs too much, or
// that fails, is listed in Run.NotJudged.
//
// # Presence and absence
//
// Most policies hold something against the fleet that is there to be seen. That
// stands, however little else was read, and is reported at once. A policy that
// holds against the fleet that something is missing must name under absence the
// sources whose silence it believes: xray, logs, cloudtrail, trail, config,
// verdicts. It is judged only when these were read without gaps from the subject's first
// record until its last and for the time of wait after it (default: one
// minute). Until then the subject waits; where the ledger says that the sources
// were not read completely, or says nothing, the policy is listed as not judged.
//
// # The life of a finding
//
// A finding is new when it is seen first and open when it is seen again. It is
// resolved when all of its evidence was judged again, in a window that holds all
// of it, without showing it: the policy has changed, a late record has explained
// it, or what was missing has come. Seen once more it is reopened. Evidence that
// the store no longer has resolves nothing.
package audit
