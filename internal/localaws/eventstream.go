package localaws

import (
	"encoding/binary"
	"hash/crc32"
	"net/http"
)

// A streamedAnswer is an answer that goes on: it writes all of the response, and
// ends with the request.
type streamedAnswer func(w http.ResponseWriter) error

// An eventStream writes messages in the event stream encoding of AWS's JSON
// protocols. Each is sent at once.
type eventStream struct {
	w     http.ResponseWriter
	flush *http.ResponseController
}

// newEventStream sends the headers and the initial response, which is empty for
// all operations here.
func newEventStream(w http.ResponseWriter) (*eventStream, error) {
	w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	w.WriteHeader(http.StatusOK)
	s := &eventStream{w, http.NewResponseController(w)}
	return s, s.event("initial-response", struct{}{})
}

// event sends a member of the stream's union.
func (s *eventStream) event(kind string, payload any) error {
	return s.send(payload, ":message-type", "event", ":event-type", kind, ":content-type", "application/json")
}

// exception sends the error that ends the stream.
func (s *eventStream) exception(kind, message string) error {
	return s.send(map[string]string{"message": message}, ":message-type", "exception", ":exception-type", kind, ":content-type", "application/json")
}

// send writes a message: a prelude of the two lengths and their sum, headers,
// payload, and the sum of it all.
func (s *eventStream) send(payload any, headers ...string) error {
	body, err := encodeJSON(payload)
	if err != nil {
		return err
	}
	var h []byte
	for i := 0; i < len(headers); i += 2 {
		h = append(h, byte(len(headers[i])))
		h = append(h, headers[i]...)
		h = append(h, 7) // a string
		h = binary.BigEndian.AppendUint16(h, uint16(len(headers[i+1])))
		h = append(h, headers[i+1]...)
	}
	const frame = 16 // lengths and sums
	m := binary.BigEndian.AppendUint32(nil, uint32(frame+len(h)+len(body)))
	m = binary.BigEndian.AppendUint32(m, uint32(len(h)))
	m = binary.BigEndian.AppendUint32(m, crc32.ChecksumIEEE(m))
	m = append(append(m, h...), body...)
	m = binary.BigEndian.AppendUint32(m, crc32.ChecksumIEEE(m))
	if _, err := s.w.Write(m); err != nil {
		return err
	}
	return s.flush.Flush()
}
