package explore

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"muster/fleet"
)

// caller is a principal that made API calls, with those that obtained their
// credentials from it.
type caller struct {
	principal     string
	calls, errors int
	writes        int
	sessions      map[string]bool // by access key
	addresses     map[string]int
	first, last   time.Time
	kids          []*caller
	issuers       map[*caller]int
}

// callers groups API calls by who made them, and hangs each principal under the
// one that obtained its credentials, most often if there are several. The one
// that called last is first.
func callers(calls []fleet.Record) []*caller {
	by := map[string]*caller{}
	issued := map[string]*caller{} // by the key that was issued
	for i := range calls {
		r := &calls[i]
		c := by[r.Principal]
		if c == nil {
			c = &caller{
				principal: r.Principal, first: r.Time, sessions: map[string]bool{}, addresses: map[string]int{}, issuers: map[*caller]int{},
			}
			by[r.Principal] = c
		}
		c.count(r)
		if k := r.Keys.IssuedKey; k != "" && r.Error == "" {
			issued[k] = c
		}
	}
	for _, c := range by {
		for k := range c.sessions {
			if from := issued[k]; from != nil && from != c {
				c.issuers[from]++
			}
		}
	}
	up := map[*caller]*caller{}
	var roots []*caller
	for _, p := range slices.Sorted(maps.Keys(by)) {
		c := by[p]
		from := c.issuer()
		for at := from; at != nil; at = up[at] {
			if at == c { // roles that assume each other
				from = nil
				break
			}
		}
		if from == nil {
			roots = append(roots, c)
			continue
		}
		up[c] = from
		from.kids = append(from.kids, c)
	}
	for _, c := range by {
		sortCallers(c.kids)
	}
	sortCallers(roots)
	return roots
}

func sortCallers(cs []*caller) {
	slices.SortFunc(cs, func(a, b *caller) int {
		return cmp.Or(b.last.Compare(a.last), cmp.Compare(a.principal, b.principal))
	})
}

func (c *caller) count(r *fleet.Record) {
	c.calls++
	if r.Error != "" {
		c.errors++
	}
	if r.Write() {
		c.writes++
	}
	if k := r.Keys.AccessKey; k != "" {
		c.sessions[k] = true
	}
	if a := r.Attributes.Get(fleet.AttrSourceIP); a != "" {
		c.addresses[a]++
	}
	if r.Time.Before(c.first) {
		c.first = r.Time
	}
	if r.Time.After(c.last) {
		c.last = r.Time
	}
}

// issuer is who obtained most of the credentials; of several alike the first by
// name.
func (c *caller) issuer() *caller {
	var most *caller
	for from, n := range c.issuers {
		if most == nil || cmp.Or(cmp.Compare(n, c.issuers[most]), cmp.Compare(most.principal, from.principal)) > 0 {
			most = from
		}
	}
	return most
}

// from is where the calls came from, the most frequent address first.
func (c *caller) from() string {
	as := slices.SortedFunc(maps.Keys(c.addresses), func(a, b string) int {
		return cmp.Or(cmp.Compare(c.addresses[b], c.addresses[a]), cmp.Compare(a, b))
	})
	return strings.Join(as, " ")
}

// principalName is an ARN without what all of an account have in common:
// "user/deployer", "assumed-role/muster-orders/orders-task".
func principalName(p string) string {
	if p == "" {
		return "nobody that is told"
	}
	parts := strings.SplitN(p, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" && parts[5] != "" {
		return parts[5]
	}
	return p
}
