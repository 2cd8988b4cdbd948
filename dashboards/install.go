package dashboards

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// maxAnswer bounds an answer of Dashboards, in bytes. An object takes a few
// kilobytes, or some hundred with the fields of an index pattern.
const maxAnswer = 16 << 20

// Server is an OpenSearch Dashboards to install to.
type Server struct {
	URL            string // with its base path: "https://host:5601/_dashboards"
	User, Password string // User "" for none
	Tenant         string // of the security plugin; "" for the user's own choice
	Client         *http.Client
}

// Action is what Install did, or would do, with an object.
type Action string

// The actions of Install.
const (
	Created     Action = "created"
	Upgraded    Action = "upgraded"    // it was as an earlier release made it
	Unchanged   Action = "unchanged"   // it is as this release makes it
	Kept        Action = "kept"        // a user has edited it
	Overwritten Action = "overwritten" // a user had edited it, and force was asked for
)

// Step is what Install did with an object.
type Step struct {
	Object      *Object
	Action      Action
	Differences []Difference // from what was there, when it was not Unchanged
}

// InstallOptions shape an installation.
type InstallOptions struct {
	Force  bool // overwrite what a user has edited
	DryRun bool // only report
}

// Install brings the saved objects to a server. It may be repeated: what a user
// has edited is kept unless Force is set. Report is told of each object before
// anything is written; then all of them are imported at once. An object that
// somebody makes meanwhile under the same id is kept, and is an error.
func (s *Server) Install(ctx context.Context, objects []Object, o InstallOptions, report func(Step)) error {
	var create, replace []*Object
	for i := range objects {
		step, err := s.plan(ctx, &objects[i], o.Force)
		if err != nil {
			return fmt.Errorf("look up %s on %s: %w", &objects[i], s.URL, err)
		}
		report(step)
		switch step.Action {
		case Created:
			create = append(create, step.Object)
		case Upgraded, Overwritten:
			replace = append(replace, step.Object)
		}
	}
	if o.DryRun {
		return nil
	}
	// What is new first: what is replaced may refer to it.
	if err := s.load(ctx, create, false); err != nil {
		return fmt.Errorf("import to %s: %w", s.URL, err)
	}
	if err := s.load(ctx, replace, true); err != nil {
		return fmt.Errorf("import to %s: %w", s.URL, err)
	}
	return nil
}

// plan compares an object with what is there.
func (s *Server) plan(ctx context.Context, own *Object, force bool) (Step, error) {
	there := &Object{}
	err := s.do(ctx, http.MethodGet, "/api/saved_objects/"+url.PathEscape(own.Type)+"/"+url.PathEscape(own.ID), "", nil, there)
	if e, ok := errors.AsType[*answerError](err); ok && e.Status == http.StatusNotFound {
		return Step{own, Created, nil}, nil
	}
	if err != nil {
		return Step{}, err
	}
	there.Type, there.ID = own.Type, own.ID
	diff := differences(there, own)
	switch {
	case len(diff) == 0:
		return Step{own, Unchanged, nil}, nil
	case there.shipped():
		return Step{own, Upgraded, diff}, nil
	case force:
		return Step{own, Overwritten, diff}, nil
	default:
		return Step{own, Kept, diff}, nil
	}
}

// load imports objects.
func (s *Server) load(ctx context.Context, objects []*Object, overwrite bool) error {
	if len(objects) == 0 {
		return nil
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {`form-data; name="file"; filename="muster.ndjson"`}, "Content-Type": {"application/ndjson"},
	})
	if err != nil {
		return err
	}
	for _, o := range objects {
		if _, err := part.Write(append(bytes.TrimSpace(o.line), '\n')); err != nil {
			return err
		}
	}
	if err := form.Close(); err != nil {
		return err
	}
	var answer importAnswer
	err = s.do(ctx, http.MethodPost, fmt.Sprintf("/api/saved_objects/_import?overwrite=%t", overwrite), form.FormDataContentType(), &body, &answer)
	if err != nil {
		return err
	}
	return answer.err(len(objects))
}

// importAnswer is the answer to an import, which is 200 also when some objects
// were refused.
type importAnswer struct {
	Success bool `json:"success"`
	Count   int  `json:"successCount"`
	Errors  []struct {
		ID    string `json:"id"`
		Type  string `json:"type"`
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	} `json:"errors"`
}

func (a *importAnswer) err(sent int) error {
	if a.Success && a.Count == sent {
		return nil
	}
	if len(a.Errors) == 0 {
		return fmt.Errorf("%d of %d objects were taken, and Dashboards does not say why: run it again", a.Count, sent)
	}
	errs := make([]error, len(a.Errors))
	for i, e := range a.Errors {
		errs[i] = fmt.Errorf("%s %s: %s %s", e.Type, e.ID, e.Error.Type, e.Error.Message)
		if e.Error.Type == "conflict" {
			errs[i] = fmt.Errorf("%s %s: somebody made it meanwhile: run it again", e.Type, e.ID)
		}
	}
	return errors.Join(errs...)
}

// answerError is an answer that is no success.
type answerError struct {
	Status  int
	Message string
}

func (e *answerError) Error() string {
	s := fmt.Sprintf("OpenSearch Dashboards answers %d", e.Status)
	if e.Message != "" {
		s += ": " + e.Message
	}
	switch e.Status {
	case http.StatusUnauthorized:
		s += ": check the user in --dashboards and the password in MUSTER_DASHBOARDS_PASSWORD"
	case http.StatusForbidden:
		s += ": the user may not write saved objects in this tenant"
	}
	return s
}

// do sends a request and decodes its answer.
func (s *Server) do(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.URL, "/")+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Osd-Xsrf", "muster") // Dashboards refuses what a page of another site could send
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if s.User != "" {
		req.SetBasicAuth(s.User, s.Password)
	}
	if s.Tenant != "" {
		req.Header.Set("Securitytenant", s.Tenant)
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		var refusal struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(text, &refusal) // a proxy answers in HTML
		return &answerError{resp.StatusCode, refusal.Message}
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer is not that of OpenSearch Dashboards: is the address right? (%w)", err)
	}
	return nil
}
