package collectors

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
	"time"

	"muster/fleet"
)

// textPlace is what is known of a file of text that does not say it itself.
type textPlace struct {
	name  string // its path or key
	group string // the log group that it was exported from
}

// textKind is which kind of text a file holds, line by line.
type textKind int

const (
	noText       textKind = iota
	textExport            // what CreateExportTask writes: a time, a space, and the line
	textBalancer          // an Application Load Balancer's access log
	textProbe             // what CloudWatch Logs writes to see whether it may
)

// exportTime is how an export spells the time before each line.
const exportTime = "2006-01-02T15:04:05.000Z"

// probe is all of the file aws-logs-write-test.
const probe = "Permission Check Successful"

// textOf tells the kind of a text by its beginning.
func textOf(head []byte) textKind {
	if _, _, ok := exportLine(head); ok {
		return textExport
	}
	line, _, _ := bytes.Cut(head, []byte("\n"))
	words := bytes.SplitN(line, []byte(" "), 3)
	if len(words) == 3 && balancerTypes[string(words[0])] {
		if _, err := time.Parse(time.RFC3339Nano, string(words[1])); err == nil {
			return textBalancer
		}
	}
	if string(bytes.TrimSpace(head)) == probe {
		return textProbe
	}
	return noText
}

// exportLine splits a line of an export.
func exportLine(line []byte) (at time.Time, message []byte, ok bool) {
	if len(line) <= len(exportTime) || line[len(exportTime)] != ' ' || line[0] < '0' || line[0] > '9' {
		return time.Time{}, nil, false
	}
	at, err := time.Parse(exportTime, string(line[:len(exportTime)]))
	return at, line[len(exportTime)+1:], err == nil
}

// textReader reads log events from lines of text.
type textReader struct {
	r     *bufio.Reader
	place textPlace
	origin
	yield func(document) error

	stream string
	pos    int64
	item   int
	begun  bool
	at     time.Time
	start  int64
	text   []byte // of the event that is being read; never written to again once it is a record's
	scan   lineScan
	line   scanner
}

// eachTextLine calls yield for each event of a text, with its records.
func eachTextLine(r io.Reader, kind textKind, q *quickReader, yield func(document) error) error {
	t := &textReader{r: bufio.NewReaderSize(r, firstWindow), place: q.place, origin: q.origin, yield: yield, scan: lineScan{names: attributeNames{}}}
	switch kind {
	case textExport:
		t.stream = exportedStream(t.place.name)
		return t.lines(t.export)
	case textBalancer:
		if m := balancerFile.FindStringSubmatch(path.Base(t.place.name)); m != nil {
			t.origin = origin{m[1], m[2]}
		}
		return t.lines(t.balancer)
	default:
		_, err := io.Copy(io.Discard, r)
		return err
	}
}

// balancerFile is the account and the region in the name of a balancer's file.
var balancerFile = regexp.MustCompile(`^(\d{12})_elasticloadbalancing_([a-z0-9-]+)_`)

// lines hands over the lines one by one, and at the end nil.
func (t *textReader) lines(each func(line []byte) error) error {
	for {
		line, err := t.next()
		if len(line) > 0 {
			if err := each(line); err != nil {
				return err
			}
			t.pos += int64(len(line))
		}
		switch {
		case errors.Is(err, io.EOF):
			return each(nil)
		case err != nil:
			return &positionError{t.pos, t.item, err}
		}
	}
}

// next reads a line with its end.
func (t *textReader) next() (line []byte, err error) {
	for {
		part, err := t.r.ReadSlice('\n')
		if len(line)+len(part) > maxDocument {
			return nil, fmt.Errorf("the line is larger than %d bytes", maxDocument)
		}
		line = append(line, part...)
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// export gathers an event from its lines: one that has no time before it belongs
// to the event before.
func (t *textReader) export(line []byte) error {
	at, message, begins := exportLine(line)
	if line != nil && !begins {
		if len(t.text)+len(line) > maxDocument {
			return &positionError{t.start, t.item, fmt.Errorf("the event is larger than %d bytes", maxDocument)}
		}
		t.text = append(t.text, line...)
		return nil
	}
	if t.begun {
		e := logEvent{
			Group: t.place.group, Stream: t.stream, Timestamp: t.at.UnixMilli(),
			Message: asString(bytes.TrimRight(t.text, "\r\n")),
		}
		if err := t.send(e.records(t.origin)); err != nil {
			return err
		}
	}
	t.begun, t.at, t.start, t.text = line != nil, at, t.pos, bytes.Clone(message)
	t.item++
	return nil
}

// balancer reads one request.
func (t *textReader) balancer(line []byte) error {
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return nil
	}
	t.item++
	t.start = t.pos
	cs := columns(line)
	if len(cs) <= albTrace {
		return &positionError{t.pos, t.item, errors.New("no line of a load balancer's access log")}
	}
	at, err := time.Parse(time.RFC3339Nano, cs[albTime].text)
	if err != nil {
		return &positionError{t.pos, t.item, errors.New("no line of a load balancer's access log: it has no time")}
	}
	e := logEvent{Timestamp: at.UnixMilli(), Message: asString(line)}
	return t.send([]fleet.Record{e.recordOf(line, t.origin, &t.scan, &t.line)})
}

func (t *textReader) send(rs []fleet.Record) error {
	return t.yield(document{shape: shapeLogEvent, offset: t.start, item: t.item, read: true, records: rs})
}

// lambdaStream is how an export spells the name of a Lambda function's stream.
var lambdaStream = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)-(.*\[[^\]]+\][0-9a-f]{32})$`)

// exportedStream is the stream of an exported file, whose folder is named after it
// with "-" for "/". Of Lambda's streams that can be undone.
func exportedStream(name string) string {
	stream := path.Base(path.Dir(strings.ReplaceAll(name, `\`, "/")))
	if m := lambdaStream.FindStringSubmatch(stream); m != nil {
		return strings.Join(m[1:], "/")
	}
	if stream == "." || stream == "/" {
		return ""
	}
	return stream
}
