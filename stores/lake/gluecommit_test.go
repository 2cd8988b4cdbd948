package lake

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"muster/fleet"
)

// smallGlue is as much of Glue as a lake uses, in memory.
type smallGlue struct {
	mu     sync.Mutex
	tables map[string]map[string]any // by name, nil before the database is made
	// refuse is the code of every answer to UpdateTable; "" for none.
	refuse string
	// before is called before an update is looked at.
	before func()
}

// glueRequest has the parts of all requests.
type glueRequest struct {
	Name       string
	VersionID  string `json:"VersionId"`
	TableInput map[string]any
}

func (g *smallGlue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var in glueRequest
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if action == "UpdateTable" && g.before != nil {
		g.before()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	out, code := g.do(action, &in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if code != "" {
		w.WriteHeader(http.StatusBadRequest)
		out = map[string]any{"__type": code, "Message": action}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (g *smallGlue) do(action string, in *glueRequest) (out map[string]any, code string) {
	name, _ := in.TableInput["Name"].(string)
	have := g.tables[name]
	switch action {
	case "GetDatabase":
		if g.tables == nil {
			return nil, "EntityNotFoundException"
		}
		return map[string]any{"Database": map[string]any{"Name": in.Name, "CatalogId": "111122223333"}}, ""
	case "CreateDatabase":
		g.tables = map[string]map[string]any{}
	case "GetTable":
		if g.tables[in.Name] == nil {
			return nil, "EntityNotFoundException"
		}
		return map[string]any{"Table": g.tables[in.Name]}, ""
	case "CreateTable":
		if have != nil {
			return nil, "AlreadyExistsException"
		}
		g.set(name, in.TableInput, 0)
	case "UpdateTable":
		if g.refuse != "" {
			return nil, g.refuse
		}
		version, _ := strconv.Atoi(in.VersionID)
		if have["VersionId"] != in.VersionID {
			return nil, "ConcurrentModificationException"
		}
		g.set(name, in.TableInput, version+1)
	default:
		return nil, "UnknownOperationException"
	}
	return map[string]any{}, ""
}

func (g *smallGlue) set(name string, input map[string]any, version int) {
	t := maps.Clone(input)
	t["VersionId"] = strconv.Itoa(version)
	g.tables[name] = t
}

// openSmall opens a lake on a small Glue and S3, with faults between.
func openSmall(t *testing.T, g *smallGlue) (*Lake, *faultyAWS) {
	t.Helper()
	s3 := s3Handler(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			g.ServeHTTP(w, r)
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	aws := newFaultyAWS(t, server.URL)
	l, err := Open(t.Context(), testRoot, Options{AWS: testAWS(aws.URL)})
	if err != nil {
		t.Fatal(err)
	}
	return l, aws
}

// commitLines commits ten log lines that nothing has.
func commitLines(t *testing.T, l *Lake) error {
	t.Helper()
	fresh, err := l.Fresh(t.Context(), logLines(0, 10))
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.Commit(t.Context(), fleet.Commit{Base: fresh.Base, Records: fresh.Records})
	return err
}

// evidenceFiles counts the rows that are read and the files that lie there.
func evidenceFiles(t *testing.T, l *Lake) (rows, files int) {
	t.Helper()
	fresh, err := l.Fresh(t.Context(), logLines(0, 10))
	if err != nil {
		t.Fatal(err)
	}
	o := l.files(t.Context()).(objects)
	err = o.list(t.Context(), o.prefix+tableEvidence+"/data/", func(*types.Object) error { files++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	return fresh.Dropped, files
}

func TestCommitIsDecidedByTheTable(t *testing.T) {
	for _, tt := range []struct {
		name string
		fault
	}{{"no fault", faultNone}, {"cut after it was applied", faultMute}, {"error after it was applied", faultError}, {"error before it is applied", faultLate}, {"lost", faultLost}} {
		t.Run(tt.name, func(t *testing.T) {
			l, aws := openSmall(t, &smallGlue{})
			aws.next.Store(int64(tt.fault))
			if err := commitLines(t, l); err != nil {
				t.Errorf("the commit: %v", err)
			}
			aws.late.Wait()
			if tt.fault != faultNone && aws.done.Load() != 1 {
				t.Errorf("%d faults happened, want 1", aws.done.Load())
			}
			if rows, files := evidenceFiles(t, l); rows != 10 || files != 1 {
				t.Errorf("%d records in %d files, want 10 in 1", rows, files)
			}
		})
	}
}

func TestCommitThatStaysUnclearRemovesNothing(t *testing.T) {
	for _, code := range []string{"ConcurrentModificationException", "InternalServiceException", "AccessDeniedException"} {
		t.Run(code, func(t *testing.T) {
			g := &smallGlue{}
			l, _ := openSmall(t, g)
			g.refuse = code
			err := commitLines(t, l)
			if err == nil || errors.Is(err, fleet.ErrConflict) {
				t.Errorf("got %v, want an error that is no conflict: the table has not moved", err)
			}
			if code == "AccessDeniedException" && !strings.Contains(fmt.Sprint(err), "lack glue:UpdateTable on table muster.evidence") {
				t.Errorf("got %v, want the permission in it", err)
			}
			g.refuse = ""
			if rows, files := evidenceFiles(t, l); rows != 0 || files != 1 {
				t.Errorf("%d records, %d files, want none and the file that may yet be named", rows, files)
			}
		})
	}
}

// TestOvertakenCommitIsAConflictOnGlue lets another writer in at the last moment.
func TestOvertakenCommitIsAConflictOnGlue(t *testing.T) {
	g := &smallGlue{}
	l, aws := openSmall(t, g)
	other, err := Open(t.Context(), testRoot, Options{AWS: testAWS(aws.URL)})
	if err != nil {
		t.Fatal(err)
	}
	g.before = func() {
		g.before = nil
		add(t, other, logLines(100, 5), nil)
	}
	if err := commitLines(t, l); !errors.Is(err, fleet.ErrConflict) {
		t.Errorf("got %v, want %v", err, fleet.ErrConflict)
	}
	if rows, files := evidenceFiles(t, l); rows != 0 || files != 1 {
		t.Errorf("%d records, %d files, want none and the other one's file", rows, files)
	}
	if err := commitLines(t, l); err != nil {
		t.Error(err)
	}
	if rows, files := evidenceFiles(t, l); rows != 10 || files != 2 {
		t.Errorf("%d records in %d files, want 10 and 2", rows, files)
	}
}
