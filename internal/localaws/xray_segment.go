package localaws

import (
	"encoding/json"
	"math"
	"regexp"
	"time"
)

// maxSegmentBytes is the largest segment document that PutTraceSegments takes.
const maxSegmentBytes = 64 << 10

// What PutTraceSegments demands of a document's ids.
var (
	traceIDForm   = regexp.MustCompile(`^1-[0-9a-fA-F]{8}-[0-9a-fA-F]{24}$`)
	segmentIDForm = regexp.MustCompile(`^[0-9a-fA-F]{16}$`)
)

// A segmentDocument is what the stand-in reads of a segment or subsegment;
// times are seconds since 1970. The document itself is kept beside it.
type segmentDocument struct {
	TraceID     string            `json:"trace_id"`
	ID          string            `json:"id"`
	ParentID    string            `json:"parent_id"`
	Type        string            `json:"type"` // "subsegment" for one sent alone
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Origin      string            `json:"origin"` // "AWS::EC2::Instance"
	User        string            `json:"user"`
	StartTime   *float64          `json:"start_time"`
	EndTime     *float64          `json:"end_time"`
	InProgress  bool              `json:"in_progress"`
	Fault       bool              `json:"fault"`
	Error       bool              `json:"error"`
	Throttle    bool              `json:"throttle"`
	HTTP        segmentHTTP       `json:"http"`
	Cause       json.RawMessage   `json:"cause"` // an object, or the id of an exception elsewhere
	AWS         segmentAWS        `json:"aws"`
	Annotations map[string]any    `json:"annotations"`
	Subsegments []segmentDocument `json:"subsegments"`
}

type segmentAWS struct {
	ResourceARN string `json:"resource_arn"`
}

type segmentHTTP struct {
	Request struct {
		Method    string `json:"method"`
		URL       string `json:"url"`
		UserAgent string `json:"user_agent"`
		ClientIP  string `json:"client_ip"`
	} `json:"request"`
	Response struct {
		Status int `json:"status"`
	} `json:"response"`
}

// A segment is an accepted document.
type segment struct {
	segmentDocument
	document string    // as it came, byte for byte
	received time.Time // of this version of it
	search   bool      // it went to Transaction Search
}

// An unprocessedSegment says why a document was not taken. ID is empty where
// the document does not tell it.
type unprocessedSegment struct {
	ID        string `json:"Id,omitempty"`
	ErrorCode string `json:"ErrorCode"`
	Message   string `json:"Message"`
}

// parseSegment reads a document; a nil refusal means that it is acceptable.
func parseSegment(document string) (segmentDocument, *unprocessedSegment) {
	var d segmentDocument
	if len(document) > maxSegmentBytes {
		return d, unprocessed("", "SizeLimitExceeded")
	}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		return d, unprocessed("", "ParseError")
	}
	if code := d.flaw(); code != "" {
		return d, unprocessed(d.ID, code)
	}
	return d, nil
}

// flaw is the error code for what the document lacks, or "".
func (d *segmentDocument) flaw() string {
	switch {
	case d.ID == "":
		return "MissingId"
	case !segmentIDForm.MatchString(d.ID):
		return "InvalidId"
	case d.TraceID == "":
		return "MissingTraceId"
	case !traceIDForm.MatchString(d.TraceID):
		return "InvalidTraceId"
	case d.Name == "":
		return "MissingName"
	case !segmentName.allows(d.Name):
		return "InvalidName"
	case d.StartTime == nil:
		return "MissingStartTime"
	case d.EndTime == nil && !d.InProgress:
		return "MissingEndTime"
	case d.Type == "subsegment" && d.ParentID == "":
		return "MissingParentId"
	}
	return ""
}

func unprocessed(id, code string) *unprocessedSegment {
	return &unprocessedSegment{ID: id, ErrorCode: code, Message: "Invalid segment. ErrorCode: " + code}
}

// start is the zero time of a subsegment that has none.
func (d *segmentDocument) start() time.Time {
	if d.StartTime == nil {
		return time.Time{}
	}
	return fromSeconds(*d.StartTime)
}

// end is the zero time while the segment is in progress.
func (d *segmentDocument) end() time.Time {
	if d.EndTime == nil {
		return time.Time{}
	}
	return fromSeconds(*d.EndTime)
}

// took is zero while the segment is in progress.
func (d *segmentDocument) took() time.Duration { return max(d.end().Sub(d.start()), 0) }

// fromSeconds is the time of a segment's float seconds, to the microsecond
// that a float can still hold.
func fromSeconds(seconds float64) time.Time {
	return time.UnixMicro(int64(math.Round(seconds * 1e6))).UTC()
}
