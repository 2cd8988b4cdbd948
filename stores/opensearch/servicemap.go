package opensearch

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // a name, no secret: the one that Data Prepper gives
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// serviceMapIndex is where the Trace Analytics screens look for who calls whom.
const serviceMapIndex = "otel-v1-apm-service-map"

// relation is a document of the service map. A call makes two: the caller's says
// where it went (destination), the called one's what it was called for (target);
// the screens draw an edge where both name the same. A service that neither
// calls nor is called has one with neither.
type relation struct {
	service, kind, group string
	destination, target  endpoint
}

// endpoint is the called service and its operation; zero for none.
type endpoint struct{ domain, resource string }

// id is the hash by which Data Prepper knows the same relation, so that both
// may write into one index.
func (r *relation) id() string {
	joined := cmp.Or(r.service, "null") + "," + cmp.Or(r.kind, "null") + "," + r.group + ","
	if r.target != (endpoint{}) {
		joined += r.target.resource + "," + r.target.domain
	}
	joined += ","
	if r.destination != (endpoint{}) {
		joined += r.destination.resource + "," + r.destination.domain
	}
	sum := md5.Sum([]byte(joined)) //nolint:gosec // as above
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (r *relation) append(b []byte) []byte {
	o := open(b)
	o.text(`"hashId":`, r.id())
	o.text(`"serviceName":`, r.service)
	o.full(`"kind":`, r.kind)
	for _, e := range []struct {
		key string
		of  endpoint
	}{{`"destination":`, r.destination}, {`"target":`, r.target}} {
		if e.of == (endpoint{}) {
			continue
		}
		in := o.inner(e.key)
		in.text(`"domain":`, e.of.domain)
		in.text(`"resource":`, e.of.resource)
		o.outer(in)
	}
	o.text(`"traceGroupName":`, r.group)
	return o.close()
}

// relations adds a trace's relations under the name of its group. A call is a
// span whose parent, in the same trace, is of another service.
func (t trace) relations(name string, out map[relation]bool) {
	bySpan := make(map[string]*node, len(t))
	for i := range t {
		if n := &t[i]; n.span != "" {
			bySpan[n.span] = n
		}
	}
	joined := map[string]bool{}
	for i := range t {
		child := &t[i]
		parent := bySpan[child.parent]
		if child.parent == "" || parent == nil || parent.service == child.service || parent.service == "" || child.service == "" {
			continue
		}
		joined[parent.service], joined[child.service] = true, true
		called := endpoint{child.service, cmp.Or(child.name, unnamed)}
		out[relation{service: parent.service, kind: parent.kind, group: name, destination: called}] = true
		out[relation{service: child.service, kind: child.kind, group: name, target: called}] = true
	}
	for i := range t {
		if service := t[i].service; service != "" && !joined[service] {
			out[relation{service: service, group: name}] = true
		}
	}
}

// relations are those of traces.
func (ts traces) relations() map[relation]bool {
	out := map[relation]bool{}
	for _, t := range ts {
		t.relations(t.group().Name, out)
	}
	return out
}

// chart writes the relations that this process has not written yet; all of
// them if anew.
func (s *Store) chart(ctx context.Context, rs map[relation]bool, anew bool) error {
	if len(s.charted)+len(rs) > maxCharted {
		clear(s.charted)
	}
	var c chunk
	// What says the same may be written over it, and over one that was taken away.
	version := time.Now().UnixMicro()
	for r := range rs {
		if anew || !s.charted[r] {
			c.add(serviceMapIndex, r.id(), version, r.append)
		}
	}
	w := s.startSending(ctx)
	if err := w.send(&c); err != nil {
		return err
	}
	if _, err := w.wait(); err != nil {
		return err
	}
	for r := range rs {
		s.charted[r.clone()] = true
	}
	return nil
}

// clone is the relation with text of its own, since a record's may hold on to all
// the evidence that was read with it.
func (r relation) clone() relation {
	return relation{
		strings.Clone(r.service), strings.Clone(r.kind), strings.Clone(r.group),
		endpoint{strings.Clone(r.destination.domain), strings.Clone(r.destination.resource)},
		endpoint{strings.Clone(r.target.domain), strings.Clone(r.target.resource)},
	}
}

// maxCharted bounds the memory of what was written: some 300 bytes each.
const maxCharted = 50_000

// uncharted takes away the relations of traces under names that their groups
// had before, where no trace has such a name any more: those of spans that stood
// in for a root that came later.
func (s *Store) uncharted(ctx context.Context, found *settled) error {
	if len(found.renamed) == 0 {
		return nil
	}
	if err := s.refresh(ctx, spanIndex+"*", serviceMapIndex); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(found.renamed)) {
		used, err := s.ask(ctx, []string{spanIndex + "*"}, map[string]any{
			"size": 1, "_source": false, "query": filter{}.set("traceGroup", name).json(),
		})
		if err != nil {
			return err
		}
		if len(used.Hits.Hits) > 0 {
			continue
		}
		old := map[relation]bool{}
		for _, id := range found.renamed[name] {
			found.traces[id].relations(name, old)
		}
		for r := range old {
			err := s.do(ctx, http.MethodDelete, "/"+serviceMapIndex+"/_doc/"+url.PathEscape(r.id()), nil, nil)
			if err != nil && !hasStatus(err, http.StatusNotFound) {
				return fmt.Errorf("take %q out of the service map, index %s: %w", name, serviceMapIndex, err)
			}
			delete(s.charted, r)
		}
	}
	return nil
}
