package collectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"muster/fleet"
)

// readings is what a stream gave: records, documents that a scanner read, and
// the error with its place.
type readings struct {
	Records []fleet.Record
	Err     string
	quick   int
}

// readQuickly reads a stream as ReadFile does.
func readQuickly(r io.Reader) readings {
	return readWith(r, &quickReader{origin: testOrigin}, parseDocument)
}

// readCarefully reads a stream by encoding/json and the walker alone.
func readCarefully(r io.Reader) readings {
	return readWith(r, nil, func(doc []byte, s shape, o origin) ([]fleet.Record, error) {
		switch s {
		case shapeTrailEvent:
			return []fleet.Record{parseTrailEventCarefully(doc, o)}, nil
		case shapeSegment:
			return parseSegmentCarefully(doc, o), nil
		case shapeLogEvent:
			var e logEvent
			if err := json.Unmarshal(doc, &e); err != nil {
				return nil, fmt.Errorf("read log event: %w", err)
			}
			s := lineScan{keyScan: keyScan{lambda: strings.HasPrefix(e.Group, lambdaGroups)}}
			raw := s.careful([]byte(e.Message))
			return []fleet.Record{e.recordWith(&s, raw, o)}, nil
		default:
			return parseDocument(doc, s, o)
		}
	})
}

var testOrigin = origin{"111122223333", "eu-central-1"}

func readWith(r io.Reader, quick *quickReader, parse func([]byte, shape, origin) ([]fleet.Record, error)) (got readings) {
	err := eachDocument(r, quick, func(d document) error {
		if err := checkDocument(d); err != nil {
			return err
		}
		rs := d.records
		if d.read {
			got.quick++
		} else {
			var err error
			if rs, err = parse(bytes.Clone(d.body), d.shape, testOrigin); err != nil {
				return &positionError{d.offset, d.item, err}
			}
		}
		got.Records = append(got.Records, rs...)
		return nil
	})
	if at, ok := errors.AsType[*positionError](err); ok {
		got.Err = fmt.Sprintf("byte %d, document %d: %v", at.offset, at.item, at.err)
	} else if err != nil {
		got.Err = err.Error()
	}
	return got
}

// sameBothWays fails unless a stream gives the same quickly and carefully, and
// returns what the quick way gave.
func sameBothWays(t *testing.T, text []byte) readings {
	t.Helper()
	before := bytes.Clone(text)
	want := readCarefully(bytes.NewReader(text))
	var last readings
	for _, r := range []io.Reader{bytes.NewReader(text), iotest.OneByteReader(bytes.NewReader(text))} {
		last = readQuickly(r)
		if want.Err != last.Err || !reflect.DeepEqual(want.Records, last.Records) { // some hundred times as fast as a cmp.Diff
			t.Fatalf("error %q carefully, %q quickly; records carefully (-) and quickly (+):\n%s\nof:\n%.4000s",
				want.Err, last.Err, cmp.Diff(want.Records, last.Records), text)
		}
	}
	if !bytes.Equal(before, text) {
		t.Fatal("reading changed the text")
	}
	return last
}

// Everything that was recorded gives the same both ways: as AWS delivers it,
// and each document on a line of its own without white space.
func TestQuickReadingIsCarefulReading(t *testing.T) {
	for folder, least := range map[string]int{ // how many documents the quick way must take on
		"cloudtrail-invictus": 1400, "cloudtrail-stratus": 110, "cloudtrail-trailscraper": 1, "xray-sdk-captures": 7, "lambda-go-events": 0,
	} {
		t.Run(folder, func(t *testing.T) {
			var all bytes.Buffer
			err := filepath.WalkDir(corpus(t, folder), func(path string, d os.DirEntry, err error) error {
				if err != nil || d.IsDir() || !strings.Contains(filepath.Ext(path), "json") {
					return err
				}
				text, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				sameBothWays(t, text)
				all.Write(onePerLine(text))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := sameBothWays(t, all.Bytes()); got.quick < least {
				t.Errorf("%d of %d documents were read quickly, want %d", got.quick, bytes.Count(all.Bytes(), []byte("\n")), least)
			}
		})
	}
}

// onePerLine spells the documents of a stream without white space.
func onePerLine(text []byte) []byte {
	var out bytes.Buffer
	_ = eachDocument(bytes.NewReader(text), nil, func(d document) error { // what is broken is left out
		if json.Valid(d.body) {
			_ = json.Compact(&out, d.body) // is valid
			out.WriteByte('\n')
		}
		return nil
	})
	return out.Bytes()
}

// quickDocuments are documents of each format that scanners read, in a stream
// with what they must leave to the careful way.
var quickDocuments = []string{
	trailText, segmentText, logText,
	// Spelled otherwise.
	strings.ReplaceAll(trailText, ":", " : "), strings.ReplaceAll(segmentText, ",", ",\n"), strings.ReplaceAll(logText, ",", ", "),
	// Secrets by name, in text, in a URL, in a message, and what only looks like one.
	strings.Replace(trailText, `"tableName"`, `"password":"hunter2","tableName"`, 1),
	strings.Replace(trailText, `"tableName"`, `"apiKey":12345,"clientSecret":"HIDDEN_DUE_TO_SECURITY_REASONS","tableName"`, 1),
	strings.Replace(trailText, `aws-sdk-go-v2`, `curl --header Authorization: Bearer abcdefghijklmnopqrstuvwxyz`, 1),
	strings.Replace(trailText, `aws-sdk-go-v2`, `https://me:secret@example.com/`, 1),
	strings.Replace(trailText, `aws-sdk-go-v2`, `AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY`, 1),
	strings.Replace(trailText, `aws-sdk-go-v2`, `eyJhbGciOi.eyJzdWIi.c2ln`, 1),
	strings.Replace(trailText, `aws-sdk-go-v2`, `-----BEGIN RSA PRIVATE KEY-----MIIE-----END RSA PRIVATE KEY-----`, 1),
	strings.Replace(segmentText, `/orders?a=b`, `/orders?token=abcdef&pass_word=x`, 1),
	strings.Replace(segmentText, `"correlation_id"`, `"db.password":"x","correlation_id"`, 1),
	strings.Replace(logText, `order placed`, `order placed, password=hunter2`, 1),
	strings.Replace(logText, `order placed`, `{\\\"secret\\\":\\\"x\\\"}`, 1),
	// Names that encoding/json takes for a field, names twice, nulls and other types.
	strings.Replace(trailText, `"eventID"`, `"EventId":"other","eventID"`, 1),
	strings.Replace(trailText, `"eventName"`, `"eventName":"First","eventName"`, 1),
	strings.Replace(trailText, `"userIdentity"`, `"userIdentity":{"invokedBy":"x"},"userIdentity"`, 1),
	strings.Replace(trailText, `"resources"`, `"resources":[{"ARN":"arn:aws:s3:::a"}],"resources"`, 1),
	strings.Replace(trailText, `"readOnly":false`, `"readOnly":null`, 1),
	strings.Replace(trailText, `"readOnly":false`, `"readOnly":"false"`, 1),
	strings.Replace(trailText, `"eventSource"`, `"addendum":{"reason":"LATE","originalEventID":"e-0"},"eventSource"`, 1),
	strings.Replace(trailText, `"eventSource"`, `"detail":1,"detail-type":2,"eventSource"`, 1),
	strings.Replace(segmentText, `"name":"orders"`, `"NAME":"other","name":"orders"`, 1),
	strings.Replace(segmentText, `"http"`, `"links":[{"trace_id":"1-6b04e190-8b4f6817e38386068efe5735"}],"http"`, 1),
	strings.Replace(segmentText, `"http"`, `"cause":{"exceptions":[{"type":"E","message":"m"}]},"fault":true,"http"`, 1),
	strings.Replace(segmentText, `"http"`, `"cause":"4ffaba56a1b04340","error":true,"http"`, 1),
	strings.Replace(segmentText, `"status":201`, `"status":"201"`, 1),
	strings.Replace(segmentText, `"status":201`, `"status":2.01e2`, 1),
	strings.Replace(segmentText, `"end_time":1795482000.079826`, `"end_time":null`, 1),
	strings.Replace(segmentText, `"name":"PutItem"`, `"name":"PutItem","subsegments":[{"id":"4ffaba56a1b04341","name":"a","start_time":1795482000.1}]`, 1),
	strings.Replace(segmentText, `4ffaba56a1b04340`, `1bc91b75b523528c`, 1),
	strings.Replace(logText, `"message"`, `"Message":"x","message"`, 1),
	strings.Replace(logText, `"timestamp":1795482000060`, `"timestamp":1795482000060.5`, 1),
	strings.Replace(logText, `order placed`, `ordér pläced \\u00e9 \u00e9 \ud83d\ude00 \ud83d`, 1),
	strings.Replace(logText, `order placed`, "\xff\xfe", 1),
	strings.Replace(trailText, `aws-sdk-go-v2`, "\xff\xfe é \\u00e9", 1),
	// No JSON, and JSON that breaks off.
	strings.Replace(trailText, `"readOnly":false`, `"readOnly":falsch`, 1),
	strings.Replace(trailText, `aws-sdk-go-v2`, "a\tb", 1),
	strings.Replace(segmentText, `1795482000.079826`, `01795482000.079826`, 1),
	strings.Replace(logText, `order placed`, `order \x placed`, 1),
	trailText[:len(trailText)/2], segmentText[:len(segmentText)/2], logText[:len(logText)/2],
}

const (
	trailText = `{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::111122223333:assumed-role/muster-orders/orders-task","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE000000012","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/muster-orders","userName":"muster-orders"},"attributes":{"creationDate":"2026-11-24T00:00:00Z","mfaAuthenticated":"false"}}},"eventTime":"2026-11-24T01:00:00Z","eventSource":"dynamodb.amazonaws.com","eventName":"PutItem","awsRegion":"us-east-1","sourceIPAddress":"10.0.1.2","userAgent":"aws-sdk-go-v2","requestParameters":{"tableName":"orders","key":{"order_id":"journey-1"}},"responseElements":null,"requestID":"ECHJZHBQS49M2AHB3DRAJ68TX6C3S9","eventID":"8b4f6817-e383-8606-8efe-573400000001","readOnly":false,"resources":[{"accountId":"111122223333","type":"AWS::DynamoDB::Table","ARN":"arn:aws:dynamodb:us-east-1:111122223333:table/orders"}],"eventType":"AwsApiCall","managementEvent":false,"recipientAccountId":"111122223333","eventCategory":"Data","tlsDetails":{"tlsVersion":"TLSv1.3"}}`

	segmentText = `{"annotations":{"correlation_id":"journey-1"},"end_time":1795482000.079826,"http":{"request":{"client_ip":"198.51.100.23","method":"POST","url":"http://127.0.0.1:8080/orders?a=b","user_agent":"Go-http-client/1.1"},"response":{"status":201}},"id":"1bc91b75b523528c","name":"orders","start_time":1795482000.059826,"subsegments":[{"aws":{"operation":"PutItem","request_id":"ECHJZHBQS49M2AHB3DRAJ68TX6C3S9","retries":0,"table_name":"orders"},"end_time":1795482000.069126,"id":"4ffaba56a1b04340","name":"PutItem","namespace":"aws","start_time":1795482000.060126},{"id":"9589130b3c18c646","in_progress":true,"name":"handle","start_time":1795482000.060126}],"trace_id":"1-6b04e190-8b4f6817e38386068efe5734"}`

	logText = `{"eventId":"3869ffff77a177f2","logGroupName":"/muster/orders","logStreamName":"orders/1","message":"{\"level\":\"INFO\",\"msg\":\"order placed\",\"order_id\":\"order-1\",\"time\":\"2026-11-24T01:00:00.060115Z\",\"total\":481.6,\"trace_id\":\"6b04e1908b4f6817e38386068efe5734\"}","timestamp":1795482000060}`
)

// Each document comes behind one of its format, so that the quick way tries it,
// and before another.
func TestQuickReadingLeavesTheUnusualToTheCarefulWay(t *testing.T) {
	for i, doc := range quickDocuments {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			for _, first := range []string{trailText, segmentText, logText} {
				sameBothWays(t, []byte(first+"\n"+doc+"\n"+first))
			}
		})
	}
	for _, text := range []string{trailText, segmentText, logText} {
		if got := sameBothWays(t, []byte(strings.Repeat(text+"\n", 3))); got.quick != 2 {
			t.Errorf("%d of 2 documents were read quickly: %.60s", got.quick, text)
		}
	}
}

// Documents lie across the bounds of windows, and are larger than windows.
func TestQuickReadingAcrossWindows(t *testing.T) {
	var text bytes.Buffer
	for i := range 2000 {
		padding := strings.Repeat("x", i%97+i/1999*(3*windowBytes))
		fmt.Fprintln(&text, strings.Replace(logText, "order placed", fmt.Sprint(i, padding), 1))
	}
	want := readCarefully(bytes.NewReader(text.Bytes()))
	got := readQuickly(bytes.NewReader(text.Bytes()))
	if !reflect.DeepEqual(want.Records, got.Records) || got.Err != "" || got.quick != 1999 {
		t.Errorf("%d read quickly, error %q, %d records", got.quick, got.Err, len(got.Records))
	}
}

func TestNamesOfSecretsAreFoundByTheirEnds(t *testing.T) {
	all := slices.Concat(slices.Collect(maps.Keys(secretNames)), secretEndings)
	for _, name := range all { // with each separator in each place, in either case
		for _, separator := range []string{"_", "-", ".", " ", "@", "_-"} {
			for at := range len(name) + 1 {
				for _, spelled := range []string{name[:at] + separator + name[at:], strings.ToUpper(name[:at]) + separator + name[at:]} {
					if !isSecretName([]byte(spelled)) || !isSecretKey([]byte(spelled)) {
						t.Errorf("%q is not found", spelled)
					}
				}
			}
		}
	}
	for _, name := range []string{"awsRegion", "eventVersion", "duration", "location", "accessKeyId", "nextToken", "monkey", "n", ""} {
		if isSecretName([]byte(name)) != isSecretKey([]byte(name)) {
			t.Errorf("%q is found by one way and not by the other", name)
		}
	}
	for name := range secretNames {
		for _, spelled := range []string{name, strings.ToUpper(name), name + "_", "x-" + name[:len(name)-1] + "." + name[len(name)-1:]} {
			if isSecretName([]byte(spelled)) && !isSecretKey([]byte(spelled)) {
				t.Errorf("%s is not found", spelled)
			}
		}
	}
	for _, end := range secretEndings {
		for _, spelled := range []string{"db_" + end, "DB" + strings.ToUpper(end), "db" + end[:len(end)-2] + "-" + end[len(end)-2:]} {
			if !isSecretName([]byte(spelled)) || !isSecretKey([]byte(spelled)) {
				t.Errorf("%s is not found", spelled)
			}
		}
	}
}

func FuzzQuickReading(f *testing.F) {
	for _, doc := range quickDocuments {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, first := range []string{trailText, segmentText, logText} {
			sameBothWays(t, []byte(first+string(doc)+first))
		}
		sameBothWays(t, []byte(`{"Records":[`+trailText+`,`+string(doc)+`]}`))
	})
}
