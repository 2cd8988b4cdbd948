//go:build engines

package opensearch

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/fleet"
)

// role is one of the security plugin's.
type role struct {
	Cluster []string `json:"cluster_permissions"`
	Index   []struct {
		Patterns []string `json:"index_patterns"`
		Actions  []string `json:"allowed_actions"`
	} `json:"index_permissions,omitempty"`
}

// permissions are all of a role, by the name of the list and the permission.
func (r *role) permissions() [][2]string {
	var out [][2]string
	for _, p := range r.Cluster {
		out = append(out, [2]string{"cluster", p})
	}
	for _, i := range r.Index {
		for _, p := range i.Actions {
			out = append(out, [2]string{"index", p})
		}
	}
	return out
}

// without is the role without a permission.
func (r *role) without(p [2]string) role {
	out := role{Cluster: slices.Clone(r.Cluster)}
	is := func(s string) bool { return s == p[1] }
	if p[0] == "cluster" {
		out.Cluster = slices.DeleteFunc(out.Cluster, is)
	}
	for _, i := range r.Index {
		i.Actions = slices.Clone(i.Actions)
		if p[0] == "index" {
			i.Actions = slices.DeleteFunc(i.Actions, is)
		}
		if len(i.Actions) > 0 { // the plugin takes no empty list
			out.Index = append(out.Index, i)
		}
	}
	return out
}

// documentedRoles are those of docs/opensearch.md: for setup, following, reading.
func documentedRoles(t *testing.T) []role {
	t.Helper()
	text, err := os.ReadFile("../../docs/opensearch.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []role
	for _, m := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(text, -1) {
		var r role
		if err := json.Unmarshal(m[1], &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if len(out) != 3 {
		t.Fatalf("got %d roles in docs/opensearch.md, want 3", len(out))
	}
	return out
}

// The roles that the documentation names are enough, and with one permission
// less they are not.
func TestDocumentedPrivilegesAreEnoughAndTheLeast(t *testing.T) {
	e := secureEngine(t)
	admin := asAdmin(t)
	roles := documentedRoles(t)
	const user, password = "somebody", "Has-exactly-1-role"
	grant := func(r role) {
		t.Helper()
		if r.Cluster == nil {
			r.Cluster = []string{}
		}
		if err := admin.doJSON(t.Context(), http.MethodPut, "/_plugins/_security/api/roles/"+user, r, nil); err != nil {
			t.Fatal(err)
		}
	}
	grant(roles[0])
	who := map[string]any{"password": password, "opendistro_security_roles": []string{user}}
	if err := admin.doJSON(t.Context(), http.MethodPut, "/_plugins/_security/api/internalusers/"+user, who, nil); err != nil {
		t.Fatal(err)
	}
	somebody := func() *Store {
		s := newStoreAt(t, e.URL(), user, password, e.CA)
		s.pages = pages{1, 1} // so that little needs more than a page
		return s
	}
	for i, job := range []struct {
		name    string
		prepare func() *followed
		run     func(*followed) error
	}{
		{"setup", func() *followed { removeTemplates(t, admin); return &followed{Store: somebody()} }, func(f *followed) error {
			if err := f.Setup(t.Context(), SetupOptions{}, func(string, Action) {}); err != nil {
				return err
			}
			return f.Setup(t.Context(), SetupOptions{Force: true}, func(string, Action) {})
		}},
		{"follow", func() *followed { empty(t, admin); return &followed{somebody(), openLake(t)} }, followEverything(t)},
		{"read", func() *followed { empty(t, admin); return filled(t, admin, somebody()) }, readEverything(t)},
	} {
		f := job.prepare()
		grant(roles[i])
		if err := job.run(f); err != nil {
			t.Errorf("%s with its role: %v", job.name, err)
			continue
		}
		for _, p := range roles[i].permissions() {
			if p[1] == "indices:data/read/point_in_time/delete" {
				continue // without it they stay open until their time is up, which is no error
			}
			f := job.prepare()
			grant(roles[i].without(p))
			err := job.run(f)
			if err == nil || !strings.Contains(err.Error(), "403") {
				t.Errorf("%s without %s: got error %v, want that it is needed", job.name, p[1], err)
			}
		}
	}
	empty(t, admin)
}

func removeTemplates(t *testing.T, admin *Store) {
	t.Helper()
	names, err := templateNames()
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(names)
	for _, name := range names {
		if err := admin.do(t.Context(), http.MethodDelete, templatePath(name), nil, nil); err != nil && !hasStatus(err, http.StatusNotFound) {
			t.Fatal(err)
		}
	}
}

// followEverything makes the follower do all that it can have to do.
func followEverything(t *testing.T) func(f *followed) error {
	return func(f *followed) error {
		trace := fmt.Sprintf("%08x%024x", noon.Unix(), 1)
		child := span(trace, 1, noon.Add(time.Millisecond), "charge")
		root := span(trace, 0, noon, "POST /orders")
		root.Service = "gateway"
		f.add(t, append(fleetRecords(10, 1), child))
		if _, err := f.CatchUp(t.Context(), f.lake); err != nil {
			return err
		}
		f.add(t, []fleet.Record{root}) // its group takes the place of the child's
		if err := f.lake.SaveFindings(t.Context(), fleet.Run{ID: "r"}, []fleet.Finding{{Fingerprint: "f", Severity: fleet.Low}}); err != nil {
			return err
		}
		_, err := f.CatchUp(t.Context(), f.lake)
		return err
	}
}

// filled is a reader of an engine that a lake was followed into.
func filled(t *testing.T, admin, reader *Store) *followed {
	t.Helper()
	f := &followed{admin, openLake(t)}
	if err := followEverything(t)(f); err != nil {
		t.Fatal(err)
	}
	if err := admin.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.Store = reader
	return f
}

// readEverything asks what the query verbs and the explorer ask.
func readEverything(t *testing.T) func(f *followed) error {
	return func(f *followed) error {
		if rs, err := collect(f.Records(t.Context(), fleet.Query{})); err != nil || len(rs) != 8 {
			return fmt.Errorf("records: %d, %w", len(rs), err)
		}
		if ts, err := collect(f.Traces(t.Context(), fleet.Query{Limit: 5})); err != nil || len(ts) != 2 {
			return fmt.Errorf("traces: %d, %w", len(ts), err)
		}
		tier := fleet.FilterTest{Keyword: fleet.KeyAnnotation, Key: "tier", Op: fleet.OpEqual, Value: "gold"}
		if ts, err := collect(f.Traces(t.Context(), fleet.Query{Limit: 5, Filter: tier})); err != nil || len(ts) != 0 {
			return fmt.Errorf("traces of an annotation: %d, %w", len(ts), err)
		}
		if fs, err := collect(f.Findings(t.Context(), fleet.Query{})); err != nil || len(fs) != 1 {
			return fmt.Errorf("findings: %d, %w", len(fs), err)
		}
		if _, err := f.Trace(t.Context(), "call-10"); err != nil {
			return err
		}
		_, err := f.Moved(t.Context())
		return err
	}
}
