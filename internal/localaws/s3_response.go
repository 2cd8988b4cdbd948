package localaws

import (
	"bytes"
	"encoding/xml"
	"net/http"
)

// s3Response passes gofakes3's response on with the call's request id. Errors
// are held back and written in AWS's shape, which names that id too.
type s3Response struct {
	http.ResponseWriter
	c    *call
	done func(*apiError) // called once, before anything is sent

	status int
	failed bytes.Buffer
}

func (w *s3Response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if status >= http.StatusBadRequest {
		return
	}
	w.done(nil)
	if w.Header().Get("Content-Type") == "" { // gofakes3 leaves it to be guessed
		w.Header().Set("Content-Type", "application/xml")
	}
	w.Header().Set("X-Amz-Request-Id", w.c.RequestID)
	w.ResponseWriter.WriteHeader(status)
}

func (w *s3Response) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.status >= http.StatusBadRequest {
		return w.failed.Write(b)
	}
	return w.ResponseWriter.Write(b)
}

// finish sends what is still to be sent, once the handler is through.
func (w *s3Response) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.status < http.StatusBadRequest {
		return
	}
	e := w.apiError()
	w.done(e)
	failS3(w.ResponseWriter, w.c, e)
}

// apiError reads gofakes3's error. Answers to HEAD have no body, so that their
// code is the one that the same GET would have had.
func (w *s3Response) apiError() *apiError {
	e := &apiError{Code: http.StatusText(w.status), Status: w.status}
	var body struct{ Code, Message string }
	switch {
	case xml.Unmarshal(w.failed.Bytes(), &body) == nil && body.Code != "":
		e.Code, e.Message = body.Code, body.Message
	case w.c.Operation == "HeadObject" && w.status == http.StatusNotFound:
		e.Code = "NoSuchKey"
	case w.c.Operation == "HeadBucket" && w.status == http.StatusNotFound:
		e.Code = "NoSuchBucket"
	}
	if e.Message == "" { // gofakes3 has texts for some errors only
		e.Message = s3Messages[e.Code]
	}
	return e
}

// s3Messages are AWS's texts for the errors that are usual here.
var s3Messages = map[string]string{
	"NoSuchKey":      "The specified key does not exist.",
	"NoSuchBucket":   "The specified bucket does not exist",
	"BucketNotEmpty": "The bucket you tried to delete is not empty",
}
