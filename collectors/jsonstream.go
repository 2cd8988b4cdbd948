package collectors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"muster/fleet"
)

// maxDocument bounds one document, so that a file of another kind cannot fill
// the memory. AWS's largest are configuration items and log events of 1 MiB.
const maxDocument = 64 << 20

// document is one JSON value of a stream.
type document struct {
	body   []byte // valid until the next one is read; nil of one that is read
	shape  shape
	offset int64 // of its first byte in the (decompressed) stream
	item   int   // counts from 1
	// read says that the document is valid and its records are these, which are
	// valid until the next one is read.
	read    bool
	records []fleet.Record
}

// positionError says where in a stream something is wrong.
type positionError struct {
	offset int64
	item   int // 0 when it is about none in particular
	err    error
}

func (e *positionError) Error() string { return e.err.Error() }
func (e *positionError) Unwrap() error { return e.err }

// jsonStream splits a stream into documents with bounded memory: JSON values
// one after another (with or without white space between them), the elements
// of arrays, and the elements of the one array in a wrapper such as
// {"Records":[…]}. It finds where documents begin and end; whether they are
// valid inside is for json.Valid.
type jsonStream struct {
	r     window
	quick *quickReader // nil for the careful way only
	pos   int64
	item  int
	body  []byte
	spare []byte // body's room while the elements of a wrapper are read
	yield func(document) error
}

// eachDocument calls yield for each document in r until one of them errs.
// Errors of the stream itself are positionErrors. With a quickReader most
// documents come read already.
func eachDocument(r io.Reader, quick *quickReader, yield func(document) error) error {
	s := jsonStream{r: window{r: r}, quick: quick, yield: yield}
	if bom, err := s.r.peek(3); err == nil && string(bom) == "\xef\xbb\xbf" {
		s.skip(len(bom))
	}
	for values := 0; ; values++ {
		c, err := s.peekToken()
		switch {
		case errors.Is(err, io.EOF) && values == 0:
			return s.fail(errors.New("there is nothing but white space"))
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		switch c {
		case '[':
			err = s.array()
		case '{':
			err = s.object(true)
		default:
			err = s.fail(fmt.Errorf("expected a JSON object or array, found %q", c))
		}
		if err != nil {
			return err
		}
	}
}

func (s *jsonStream) fail(err error) error {
	if errors.Is(err, io.EOF) {
		err = fmt.Errorf("the JSON ends in the middle: %w", io.ErrUnexpectedEOF)
	}
	return &positionError{offset: s.pos, item: s.item, err: err}
}

func (s *jsonStream) skip(n int) {
	s.r.at += n // of bytes that were peeked
	s.pos += int64(n)
}

// peekToken skips white space and looks at the byte behind it. io.EOF comes
// bare; other errors carry their position.
func (s *jsonStream) peekToken() (byte, error) {
	for {
		b, err := s.r.peek(1)
		switch {
		case len(b) == 0 && errors.Is(err, io.EOF):
			return 0, io.EOF
		case len(b) == 0:
			return 0, s.fail(err)
		case !isSpace(b[0]):
			return b[0], nil
		}
		s.skip(1)
	}
}

// array yields the elements of an array, whose bracket is next.
func (s *jsonStream) array() error {
	s.skip(1)
	c, err := s.peekToken()
	if err != nil {
		return s.fail(err)
	}
	if c == ']' {
		s.skip(1)
		return nil
	}
	for {
		if c, err = s.peekToken(); err != nil {
			return s.fail(err)
		}
		if c != '{' {
			return s.fail(fmt.Errorf("expected a JSON object in the array, found %q", c))
		}
		if err := s.object(false); err != nil {
			return err
		}
		if c, err = s.peekToken(); err != nil {
			return s.fail(err)
		}
		if c != ']' && c != ',' {
			return s.fail(fmt.Errorf("expected a comma between the elements of the array, found %q", c))
		}
		s.skip(1)
		if c == ']' {
			return nil
		}
	}
}

// wrappers are the members whose array is a stream of documents: CloudTrail's
// files and LookupEvents, Config's files, BatchGetTraces, FilterLogEvents; Firehose's to a Lambda function.
var wrappers = map[string]bool{
	"Records": true, "Events": true, "configurationItems": true, "Traces": true, "events": true,
	"records": true,
}

// object reads the object whose brace is next and yields it; or, with
// mayWrap, the elements of the array that it wraps.
func (s *jsonStream) object(mayWrap bool) error {
	start := s.pos
	s.item++
	if s.quick != nil {
		if rs, ok := s.quick.read(&s.r); ok {
			s.skip(s.quick.length)
			return s.yield(document{shape: s.quick.shape, offset: start, item: s.item, read: true, records: rs})
		}
	}
	s.body = s.body[:0]
	var members memberSet
	wrapped := false
	depth, key := 0, true // key: a member's name comes next, at depth 1
	for {
		c, err := s.next()
		if err != nil {
			return s.fail(err)
		}
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				if wrapped && json.Valid(s.body) {
					return nil
				}
				if wrapped {
					return &positionError{s.pos, 0, errors.New("invalid JSON around the array")}
				}
				shape := members.shape()
				if s.quick != nil {
					s.quick.shape = shape
				}
				return s.yield(document{body: s.body, shape: shape, offset: start, item: s.item})
			}
		case ',':
			key = key || depth == 1
		case '"':
			name, err := s.str()
			if err != nil {
				return err
			}
			if depth != 1 || !key {
				break
			}
			key = false
			if mayWrap && wrappers[string(name)] {
				opened, err := s.wrapped()
				if err != nil {
					return err
				}
				wrapped = wrapped || opened
			} else {
				members.add(name)
			}
		}
	}
}

// wrapped yields the elements of the array that is the value of the member
// whose name was just read, and reports whether it was one.
func (s *jsonStream) wrapped() (bool, error) {
	c, err := s.peekToken()
	if err != nil {
		return false, s.fail(err)
	}
	if c != ':' {
		return false, nil
	}
	if _, err = s.next(); err != nil {
		return false, s.fail(err)
	}
	if c, err = s.peekToken(); err != nil {
		return false, s.fail(err)
	}
	if c != '[' {
		return false, nil
	}
	s.item-- // the wrapper is no item itself
	s.body = append(s.body, "[]"...)
	around := s.body
	s.body = s.spare
	err = s.array()
	s.spare, s.body = s.body, around
	return true, err
}

// next takes one byte into the document.
func (s *jsonStream) next() (byte, error) {
	c, err := s.r.next()
	if err != nil {
		return 0, err
	}
	s.pos++
	if len(s.body) >= maxDocument {
		return 0, fmt.Errorf("the document is larger than %d bytes", maxDocument)
	}
	s.body = append(s.body, c)
	return c, nil
}

// str takes the rest of a string and returns what is between its quotes.
func (s *jsonStream) str() ([]byte, error) {
	start := len(s.body)
	for {
		s.plain()
		c, err := s.next()
		if err != nil {
			return nil, s.fail(err)
		}
		switch c {
		case '\\':
			if _, err := s.next(); err != nil {
				return nil, s.fail(err)
			}
		case '"':
			return s.body[start : len(s.body)-1], nil
		}
	}
}

// plain takes what is buffered of a string up to its next quote or escape. Most
// of a document is that; reading it byte by byte took twice as long. It looks
// ahead a little at a time, so that a string of nothing but escapes is linear.
func (s *jsonStream) plain() {
	const look = 256
	for {
		text := s.r.unread()
		text = text[:min(look, len(text), maxDocument-len(s.body))]
		all := len(text)
		if n := bytes.IndexByte(text, '"'); n >= 0 {
			text = text[:n]
		}
		if n := bytes.IndexByte(text, '\\'); n >= 0 {
			text = text[:n]
		}
		s.body = append(s.body, text...)
		s.skip(len(text))
		if len(text) < all || all == 0 {
			return
		}
	}
}

// checkDocument reports what is wrong inside of a document, with its place.
func checkDocument(d document) error {
	if d.read {
		return nil
	}
	if !json.Valid(d.body) {
		var v any
		err := json.Unmarshal(d.body, &v)
		at := int64(0)
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			at = max(0, syntax.Offset-1) // it counts the byte at fault
		}
		return &positionError{d.offset + at, d.item, fmt.Errorf("invalid JSON: %w", err)}
	}
	if d.shape == shapeUnknown {
		return &positionError{d.offset, d.item, errors.New("a JSON object of none of the formats that muster reads")}
	}
	return nil
}
