package dashboards

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// shelf is a server of saved objects that follows the documented API: it
// refuses requests without osd-xsrf, does not overwrite unless asked, and wants
// every reference to be there.
type shelf struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[string]map[string]any // by "type/id"
	writes  int
	tenant  string
}

func newShelf(t *testing.T) (*shelf, *Server) {
	s := &shelf{t: t, objects: map[string]map[string]any{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, &Server{URL: server.URL + "/base/", Client: server.Client(), User: "ada", Password: "pass", Tenant: "global"}
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, password, _ := r.BasicAuth()
	path, ok := strings.CutPrefix(r.URL.Path, "/base/api/saved_objects/")
	switch {
	case user != "ada" || password != "pass":
		s.answer(w, http.StatusUnauthorized, map[string]any{"message": "Authentication Exception"})
	case r.Header.Get("Osd-Xsrf") == "":
		s.answer(w, http.StatusBadRequest, map[string]any{"message": "Request must contain a osd-xsrf header."})
	case !ok:
		s.answer(w, http.StatusNotFound, map[string]any{"message": "Not Found"})
	case r.Method == http.MethodGet && s.objects[path] == nil:
		s.answer(w, http.StatusNotFound, map[string]any{"message": "Saved object [" + path + "] not found"})
	case r.Method == http.MethodGet:
		s.answer(w, http.StatusOK, s.objects[path])
	case r.Method == http.MethodPost && path == "_import":
		s.tenant = r.Header.Get("Securitytenant")
		s.load(w, r)
	default:
		s.answer(w, http.StatusMethodNotAllowed, nil)
	}
}

func (s *shelf) answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.t.Error(err)
	}
}

func (s *shelf) load(w http.ResponseWriter, r *http.Request) {
	file, header, err := r.FormFile("file")
	if err != nil || !strings.HasSuffix(header.Filename, ".ndjson") {
		s.answer(w, http.StatusBadRequest, map[string]any{"message": "Invalid file extension"})
		return
	}
	sent := map[string]map[string]any{}
	for lines := bufio.NewReader(file); ; {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var o map[string]any
			if err := json.Unmarshal(line, &o); err != nil {
				s.t.Error(err)
			}
			sent[fmt.Sprint(o["type"], "/", o["id"])] = o
		}
		if err == io.EOF {
			break
		}
	}
	var errs []any
	for name, o := range sent {
		refuse := func(kind string) {
			errs = append(errs, map[string]any{"id": o["id"], "type": o["type"], "error": map[string]any{"type": kind}})
		}
		if s.objects[name] != nil && r.URL.Query().Get("overwrite") != "true" {
			refuse("conflict")
		}
		for _, ref := range o["references"].([]any) {
			to := ref.(map[string]any)
			if key := fmt.Sprint(to["type"], "/", to["id"]); sent[key] == nil && s.objects[key] == nil {
				refuse("missing_references")
			}
		}
	}
	if errs == nil {
		for name, o := range sent {
			s.objects[name] = o
			s.writes++
			if o["type"] == "index-pattern" { // Dashboards keeps what it found for itself
				o["attributes"].(map[string]any)["fields"] = `[{"name":"x"}]`
			}
		}
	}
	s.answer(w, http.StatusOK, map[string]any{"success": errs == nil, "successCount": len(sent) - len(errs), "errors": errs})
}

// install counts what was done, by action.
func install(t *testing.T, s *Server, o InstallOptions) (map[Action]int, []Step) {
	t.Helper()
	did := map[Action]int{}
	var steps []Step
	err := s.Install(t.Context(), objects(t), o, func(s Step) {
		did[s.Action]++
		if s.Action != Unchanged {
			steps = append(steps, s)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return did, steps
}

func TestInstallIsRepeatable(t *testing.T) {
	shelf, server := newShelf(t)
	all := len(objects(t))
	if did, _ := install(t, server, InstallOptions{DryRun: true}); did[Created] != all || shelf.writes != 0 {
		t.Fatalf("dry run: %v, %d written", did, shelf.writes)
	}
	if did, _ := install(t, server, InstallOptions{}); did[Created] != all || shelf.writes != all {
		t.Fatalf("first: %v, %d written", did, shelf.writes)
	}
	if did, _ := install(t, server, InstallOptions{}); did[Unchanged] != all || shelf.writes != all {
		t.Fatalf("again: %v, %d written", did, shelf.writes)
	}
	if shelf.tenant != "global" {
		t.Errorf("tenant %q", shelf.tenant)
	}
}

func TestInstallKeepsWhatAUserHasEdited(t *testing.T) {
	shelf, server := newShelf(t)
	install(t, server, InstallOptions{})
	const edited = "visualization/muster-audit-severity"
	attributes := shelf.objects[edited]["attributes"].(map[string]any)
	attributes["title"] = "By severity, ours"
	writes := shelf.writes

	did, steps := install(t, server, InstallOptions{})
	if did[Kept] != 1 || shelf.writes != writes || attributes["title"] != "By severity, ours" {
		t.Fatalf("%v, %d written more", did, shelf.writes-writes)
	}
	want := Difference{"title", `"By severity, ours"`, `"By severity"`}
	if d := steps[0].Differences; len(d) != 1 || d[0] != want {
		t.Errorf("differences %v, want %v", d, want)
	}
	if did, _ := install(t, server, InstallOptions{Force: true}); did[Overwritten] != 1 || shelf.writes != writes+1 {
		t.Errorf("force: %v, %d written more", did, shelf.writes-writes)
	}
	if did, _ := install(t, server, InstallOptions{}); did[Unchanged] != len(objects(t)) {
		t.Errorf("afterwards: %v", did)
	}
}

func TestInstallUpgradesWhatAnEarlierReleaseMade(t *testing.T) {
	shelf, server := newShelf(t)
	install(t, server, InstallOptions{})
	attributes := shelf.objects["dashboard/muster-audit"]["attributes"].(map[string]any)
	attributes["timeFrom"] = "now-1y"
	earlier := Object{Type: "dashboard", ID: "muster-audit", Attributes: attributes, References: shelf.objects["dashboard/muster-audit"]["references"].([]any)}
	states := shippedStates
	t.Cleanup(func() { shippedStates = states })
	shippedStates += earlier.String() + " " + earlier.Fingerprint() + "\n"

	if did, _ := install(t, server, InstallOptions{}); did[Upgraded] != 1 {
		t.Fatalf("%v", did)
	}
	if did, _ := install(t, server, InstallOptions{}); did[Unchanged] != len(objects(t)) {
		t.Errorf("afterwards: %v", did)
	}
}

func TestInstallSaysWhatIsWrong(t *testing.T) {
	_, server := newShelf(t)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<html>log in</html>")
	}))
	t.Cleanup(page.Close)
	for name, tc := range map[string]struct {
		change func(*Server)
		want   string
	}{
		"password":       {func(s *Server) { s.Password = "no" }, "check the user in --dashboards and the password in MUSTER_DASHBOARDS_PASSWORD"},
		"something else": {func(s *Server) { s.URL = page.URL }, "is the address right?"},
	} {
		s := *server
		tc.change(&s)
		err := s.Install(t.Context(), objects(t), InstallOptions{}, func(Step) {})
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "pass\"") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestInstallSaysWhichObjectWasRefused(t *testing.T) {
	_, server := newShelf(t)
	all := objects(t)
	err := server.Install(t.Context(), all[len(all)-1:], InstallOptions{}, func(Step) {})
	if err == nil || !strings.Contains(err.Error(), "dashboard muster-audit: missing_references") {
		t.Errorf("%v", err)
	}
}
