package localaws

import (
	"encoding/base64"
	"fmt"
	"time"
)

// cursor is what a page token holds: where the next page starts, and which
// moment the first page looked at, so that what appears later shifts nothing.
type cursor struct {
	slot   int // which part of the answer; for operations that have parts
	offset int // items of that part that came before
	asOf   time.Time
}

// parseCursor reads a token; "" is the start, as of now.
func parseCursor(token string, now time.Time) (cursor, bool) {
	if token == "" {
		return cursor{asOf: now}, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return cursor{}, false
	}
	var cur cursor
	var nanos int64
	n, err := fmt.Sscanf(string(raw), "%d:%d@%d", &cur.slot, &cur.offset, &nanos)
	if err != nil || n != 3 || cur.slot < 0 || cur.offset < 0 {
		return cursor{}, false
	}
	cur.asOf = time.Unix(0, nanos).UTC()
	return cur, true
}

// token spells a cursor for the client, which must not look into it.
func (cur cursor) token() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d:%d@%d", cur.slot, cur.offset, cur.asOf.UnixNano()))
}

// page cuts the cursor's page of at most limit out of all; next is "" on the
// last one. Trouble may make it an empty page whose token starts here again, or
// let the next page repeat this one's last item.
// The page is a part of all: the caller must not keep changing it.
func page[T any](t *trouble, c *call, all []T, cur cursor, limit int) (items []T, next string) {
	if t.emptyPage(c) {
		return []T{}, cur.token()
	}
	start := min(cur.offset, len(all))
	end := min(start+limit, len(all))
	if end < len(all) {
		cur.offset = end
		if end-start > 1 && t.repeat(c.action()) {
			cur.offset--
		}
		next = cur.token()
	}
	return all[start:end:end], next
}
