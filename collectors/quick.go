package collectors

import "muster/fleet"

// quickReader reads the documents of a stream by scanners, as long as they are
// spelled as AWS spells them and in the format of the one before. Whatever it
// refuses is read the careful way, and so is the first document.
type quickReader struct {
	origin
	place  textPlace
	shape  shape // of the document before
	length int   // of what was read, in bytes

	trail   trailScan
	segment segmentReader
	log     logScan
	records []fleet.Record // of the last document
}

// quickBytes bounds the documents that are read quickly: all of one has to lie
// in the window.
const quickBytes = 4 << 20

// read reads the document that is next in a window, whose brace is there.
func (q *quickReader) read(w *window) ([]fleet.Record, bool) {
	for {
		clear(q.records)
		q.records = q.records[:0]
		doc := w.unread()
		ok, short := q.parse(doc)
		if ok {
			return q.records, true
		}
		if !short || len(doc) > quickBytes || !w.more() {
			return nil, false
		}
		for len(w.unread()) < 2*len(doc) && w.more() { // so that a large one is not begun often
		}
	}
}

// parse reads the document that doc begins with; short says that there was not
// enough of it.
func (q *quickReader) parse(doc []byte) (ok, short bool) {
	switch q.shape {
	case shapeTrailEvent:
		length, canonical, ok := q.trail.read(doc)
		if !ok {
			return false, q.trail.short
		}
		q.length = length
		q.records = append(q.records, q.trail.event.record(canonical, q.origin, &q.trail.room))
		return true, false
	case shapeSegment:
		length, canonical, ok := q.segment.read(doc)
		if !ok {
			return false, q.segment.short
		}
		q.length = length
		q.records, ok = q.segment.spans(canonical, q.origin, q.records)
		return ok, false
	case shapeLogEvent:
		length, ok := q.log.read(doc)
		if !ok {
			return false, q.log.short
		}
		q.length = length
		q.records = append(q.records, q.log.record(q.origin))
		return true, false
	default:
		return false, false
	}
}
