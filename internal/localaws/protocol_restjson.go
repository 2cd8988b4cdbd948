package localaws

import (
	"fmt"
	"net/http"
)

// xrayPaths maps X-Ray's request paths to its operations; all are POSTs.
var xrayPaths = map[string]string{
	"/TraceSegments":    "PutTraceSegments",
	"/TelemetryRecords": "PutTelemetryRecords",
	"/TraceSummaries":   "GetTraceSummaries",
	"/Traces":           "BatchGetTraces",
	"/GetSamplingRules": "GetSamplingRules",
	"/SamplingTargets":  "GetSamplingTargets",
	"/ServiceGraph":     "GetServiceGraph",
	"/TraceGraph":       "GetTraceGraph",
	"/Groups":           "GetGroups",

	"/GetTraceSegmentDestination":    "GetTraceSegmentDestination",
	"/UpdateTraceSegmentDestination": "UpdateTraceSegmentDestination",
	"/GetIndexingRules":              "GetIndexingRules",
	"/UpdateIndexingRule":            "UpdateIndexingRule",
	"/StartTraceRetrieval":           "StartTraceRetrieval",
	"/CancelTraceRetrieval":          "CancelTraceRetrieval",
	"/ListRetrievedTraces":           "ListRetrievedTraces",
	"/GetRetrievedTracesGraph":       "GetRetrievedTracesGraph",

	"/SamplingStatisticSummaries": "GetSamplingStatisticSummaries",
	"/CreateSamplingRule":         "CreateSamplingRule",
	"/UpdateSamplingRule":         "UpdateSamplingRule",
	"/DeleteSamplingRule":         "DeleteSamplingRule",
}

func isXRayPath(path string) bool {
	_, ok := xrayPaths[path]
	return ok
}

// restJSONProtocol is restJson as X-Ray speaks it: the path is the operation,
// input and output are JSON bodies.
type restJSONProtocol struct{}

func (restJSONProtocol) parse(r *http.Request, body []byte, c *call) error {
	operation, ok := xrayPaths[r.URL.Path]
	if !ok || r.Method != http.MethodPost {
		c.Operation = r.URL.Path
		return &apiError{Code: "UnknownOperationException", Message: "The stand-in does not know this path of X-Ray.", Status: http.StatusNotFound}
	}
	c.Operation, c.body = operation, body
	return nil
}

func (restJSONProtocol) write(w http.ResponseWriter, c *call, answer any) error {
	body, err := encodeJSON(answer)
	if err != nil {
		return fmt.Errorf("encode the answer of %s: %w", c.action(), err)
	}
	return sendRESTJSON(w, c, http.StatusOK, body)
}

func (restJSONProtocol) fail(w http.ResponseWriter, c *call, e *apiError) {
	w.Header().Set("X-Amzn-Errortype", e.Code)
	_ = sendRESTJSON(w, c, e.status(), errorBody(e.Code, e)) // the client is gone: nobody to tell
}

func sendRESTJSON(w http.ResponseWriter, c *call, status int, body []byte) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", c.RequestID)
	w.WriteHeader(status)
	_, err := w.Write(body)
	return err
}
