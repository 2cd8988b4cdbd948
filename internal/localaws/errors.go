package localaws

import (
	"errors"
	"fmt"
	"net/http"
)

// apiError is an AWS error: the code that SDKs match on, the text for people,
// and the HTTP status; a zero Status means 400.
type apiError struct {
	Code    string
	Message string
	Status  int
	// AthenaCode is what Athena's InvalidRequestException tells the cause by; ""
	// elsewhere.
	AthenaCode string
	// QueryCode is the older code that services which moved from query to JSON
	// also send, in X-Amzn-Query-Error. SQS only.
	QueryCode string
	// Argument is the parameter that is wrong; S3 only.
	Argument string
}

func (e *apiError) Error() string { return e.Code + ": " + e.Message }

func (e *apiError) status() int {
	if e.Status == 0 {
		return http.StatusBadRequest
	}
	return e.Status
}

// fault reports whether it is the service that failed and not the caller.
func (e *apiError) fault() bool { return e.status() >= http.StatusInternalServerError }

func failf(code, format string, args ...any) *apiError {
	return &apiError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// asAPIError gives any error an AWS shape. What is not one is ours: a 500.
func asAPIError(err error) *apiError {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e
	}
	return &apiError{Code: "InternalFailure", Message: err.Error(), Status: http.StatusInternalServerError}
}
