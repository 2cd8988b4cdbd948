package localaws

import "time"

// cursor is what a page token of CloudTrail and Config holds: where the next
// page starts, and which moment the first page looked at, so that what appears
// later shifts nothing.
type cursor struct {
	Slot   int // which part of the answer; for operations that have parts
	Offset int // items of that part that came before
	AsOf   time.Time
	Upto   int    // number of the last item that the first page knew; LookupEvents only
	Of     string // fingerprint of the request
}

// pager cuts answers into pages for one call.
type pager struct {
	s   *Server
	c   *call
	cur cursor
}

// newPager reads a token; "" is the start, as of now. A token goes with the
// parameters that it was made for; otherwise the error is errPageToken.
func (s *Server) newPager(c *call, token string, parameters ...any) (*pager, error) {
	of := fingerprint(parameters...)
	p := &pager{s: s, c: c, cur: cursor{AsOf: c.Time, Of: of}}
	if token == "" {
		return p, nil
	}
	if err := s.tokens.open(c.Time, token, &p.cur); err != nil {
		return nil, err
	}
	if p.cur.Of != of {
		return nil, errPageToken
	}
	return p, nil
}

// token is the token of a page that starts somewhere in a slot.
func (p *pager) token(slot, offset int) string {
	next := p.cur
	next.Slot, next.Offset = slot, offset
	return p.s.tokens.seal(p.c.Time, next)
}

// page cuts the pager's page of at most limit out of all; next is "" on the
// last one. Trouble may make it an empty page whose token starts here again, or
// let the next page repeat this one's last item. The page is a part of all.
func page[T any](p *pager, all []T, limit int) (items []T, next string) {
	if p.s.trouble.emptyPage(p.c) {
		return []T{}, p.token(p.cur.Slot, p.cur.Offset)
	}
	start := min(p.cur.Offset, len(all))
	end := min(start+limit, len(all))
	if end == len(all) {
		return all[start:end:end], ""
	}
	again := end
	if end-start > 1 && p.s.trouble.repeat(p.c.action()) {
		again--
	}
	return all[start:end:end], p.token(p.cur.Slot, again)
}

// orNil leaves out a token that is not there.
func orNil(token string) *string {
	if token == "" {
		return nil
	}
	return &token
}
