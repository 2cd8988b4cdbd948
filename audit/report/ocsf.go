package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"muster/audit/scene"
	"muster/fleet"
)

// ocsfVersion is what the stock schema is checked against, and what Security Hub
// speaks itself.
const ocsfVersion = "1.6.0"

// The numbers of OCSF's class Detection Finding.
const (
	ocsfFindings  = 2    // the category
	ocsfDetection = 2004 // the class
	ocsfRule      = 1    // the type of an analytic
)

type (
	ocsfEvent struct {
		Activity     int              `json:"activity_id"`
		ActivityName string           `json:"activity_name"`
		Category     int              `json:"category_uid"`
		CategoryName string           `json:"category_name"`
		Class        int              `json:"class_uid"`
		ClassName    string           `json:"class_name"`
		Type         int              `json:"type_uid"`
		TypeName     string           `json:"type_name"`
		Time         int64            `json:"time"`
		Start        int64            `json:"start_time"`
		End          int64            `json:"end_time"`
		Severity     int              `json:"severity_id"`
		SeverityName string           `json:"severity"`
		Status       int              `json:"status_id"`
		StatusName   string           `json:"status"`
		StatusDetail string           `json:"status_detail"`
		Comment      string           `json:"comment,omitempty"`
		Count        int              `json:"count"`
		Message      string           `json:"message"`
		Cloud        ocsfCloud        `json:"cloud"`
		Metadata     ocsfMetadata     `json:"metadata"`
		Info         ocsfInfo         `json:"finding_info"`
		Resources    []ocsfResource   `json:"resources,omitempty"`
		Evidences    []ocsfEvidence   `json:"evidences,omitempty"`
		Remediation  *ocsfRemediation `json:"remediation,omitempty"`
		Unmapped     ocsfUnmapped     `json:"unmapped"`
	}
	ocsfCloud struct {
		Provider string       `json:"provider"`
		Account  *ocsfAccount `json:"account,omitempty"`
		Region   string       `json:"region,omitempty"`
	}
	ocsfAccount struct {
		UID string `json:"uid"`
	}
	ocsfMetadata struct {
		Version     string      `json:"version"`
		Product     ocsfProduct `json:"product"`
		Profiles    []string    `json:"profiles"`
		UID         string      `json:"uid"`
		Correlation string      `json:"correlation_uid"`
	}
	ocsfProduct struct {
		Name    string `json:"name"`
		Vendor  string `json:"vendor_name"`
		Version string `json:"version,omitempty"`
	}
	ocsfInfo struct {
		UID      string        `json:"uid"`
		Title    string        `json:"title"`
		Desc     string        `json:"desc,omitempty"`
		Analytic ocsfAnalytic  `json:"analytic"`
		Attacks  []ocsfAttack  `json:"attacks,omitempty"`
		Created  int64         `json:"created_time"`
		First    int64         `json:"first_seen_time"`
		Last     int64         `json:"last_seen_time"`
		Related  []ocsfRelated `json:"related_events,omitempty"`
	}
	ocsfAnalytic struct {
		Type     int    `json:"type_id"`
		TypeName string `json:"type"`
		UID      string `json:"uid"`
		Name     string `json:"name"`
	}
	ocsfAttack struct {
		Technique ocsfName `json:"technique"`
		Version   string   `json:"version"`
	}
	ocsfName struct {
		UID string `json:"uid"`
	}
	ocsfRelated struct {
		UID string `json:"uid"`
	}
	ocsfResource struct {
		UID       string    `json:"uid,omitempty"`
		Name      string    `json:"name,omitempty"`
		Type      string    `json:"type,omitempty"`
		Region    string    `json:"region,omitempty"`
		Partition string    `json:"cloud_partition,omitempty"`
		Tags      []ocsfTag `json:"tags,omitempty"`
	}
	ocsfTag struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	ocsfEvidence struct {
		UID    string          `json:"uid"`
		Name   string          `json:"name,omitempty"`
		Data   json.RawMessage `json:"data"`
		API    *ocsfAPI        `json:"api,omitempty"`
		Actor  *ocsfActor      `json:"actor,omitempty"`
		Source *ocsfEndpoint   `json:"src_endpoint,omitempty"`
	}
	ocsfAPI struct {
		Operation string       `json:"operation"`
		Service   *ocsfProgram `json:"service,omitempty"`
		Request   *ocsfName    `json:"request,omitempty"`
	}
	ocsfProgram struct {
		Name string `json:"name"`
	}
	ocsfActor struct {
		User ocsfName `json:"user"`
	}
	ocsfEndpoint struct {
		IP string `json:"ip"`
	}
	ocsfRemediation struct {
		Desc       string   `json:"desc"`
		References []string `json:"references,omitempty"`
	}
	ocsfUnmapped struct {
		Policy  string `json:"policy"`
		Service string `json:"service,omitempty"`
		Trace   string `json:"trace_id,omitempty"`
	}
)

// ocsf writes one Detection Finding of OCSF a line, with the profile cloud.
func ocsf(w io.Writer, r *Report) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, f := range sorted(r.Findings) {
		e, err := ocsfFinding(r, &f)
		if err == nil {
			err = enc.Encode(e)
		}
		if err != nil {
			return fmt.Errorf("write finding %s: %w", f.Fingerprint, err)
		}
	}
	return nil
}

func ocsfFinding(r *Report, f *fleet.Finding) (ocsfEvent, error) {
	s := r.scene(f)
	activity, activityName := ocsfActivity(f.Status)
	status, statusName := ocsfStatus(f.Status)
	severity, severityName := ocsfSeverity(f.Severity)
	e := ocsfEvent{
		Activity: activity, ActivityName: activityName, Category: ocsfFindings, CategoryName: "Findings",
		Class: ocsfDetection, ClassName: "Detection Finding",
		Type: ocsfDetection*100 + activity, TypeName: "Detection Finding: " + activityName,
		Time: f.LastSeen.UnixMilli(), Start: f.FirstSeen.UnixMilli(), End: f.LastSeen.UnixMilli(),
		Severity: severity, SeverityName: severityName,
		Status: status, StatusName: statusName, StatusDetail: string(f.Status), Comment: r.Waived[f.Fingerprint],
		Count: max(f.Count, 1), Message: what(f), Cloud: ocsfCloud{Provider: "AWS", Region: s.Region},
		Metadata: ocsfMetadata{
			Version: ocsfVersion, Product: ocsfProduct{"muster", "muster", r.Version}, Profiles: []string{"cloud"},
			UID: f.Fingerprint + "/" + r.Run.ID, Correlation: r.Run.ID,
		},
		Info:     ocsfFindingInfo(r, f),
		Unmapped: ocsfUnmapped{Policy: f.Policy, Service: f.Service, Trace: f.Trace},
	}
	if s.Account != "" {
		e.Cloud.Account = &ocsfAccount{s.Account}
	}
	if f.Resource != "" || s.ARN != "" {
		e.Resources = []ocsfResource{ocsfFindingResource(f, &s)}
	}
	if f.Remedy != "" {
		e.Remediation = &ocsfRemediation{Desc: f.Remedy}
		if p := r.policy(f.Policy); p != nil {
			e.Remediation.References = p.References
		}
	}
	var err error
	e.Evidences, err = ocsfEvidences(&s)
	return e, err
}

func ocsfFindingInfo(r *Report, f *fleet.Finding) ocsfInfo {
	i := ocsfInfo{
		UID: f.Fingerprint, Title: f.Title,
		Analytic: ocsfAnalytic{ocsfRule, "Rule", f.Policy, f.Title},
		Created:  f.FirstSeen.UnixMilli(), First: f.FirstSeen.UnixMilli(), Last: f.LastSeen.UnixMilli(),
	}
	for _, id := range f.Evidence {
		i.Related = append(i.Related, ocsfRelated{id})
	}
	if p := r.policy(f.Policy); p != nil {
		i.Desc = p.Rationale
		i.Attacks = ocsfAttacks(p.Tags)
	}
	return i
}

// attackVersion is the MITRE ATT&CK release whose technique numbers Sigma's tags
// are read as; numbers are not given out twice.
const attackVersion = "17"

// ocsfAttacks are the techniques among the tags: attack.t1078.004 is T1078.004.
func ocsfAttacks(tags []string) []ocsfAttack {
	var out []ocsfAttack
	for _, t := range tags {
		name, ok := strings.CutPrefix(strings.ToLower(t), "attack.t")
		if ok && name != "" && name[0] >= '0' && name[0] <= '9' {
			out = append(out, ocsfAttack{ocsfName{"T" + name}, attackVersion})
		}
	}
	return out
}

func ocsfFindingResource(f *fleet.Finding, s *scene.Scene) ocsfResource {
	kind, _, named := strings.Cut(f.Resource, "/")
	o := ocsfResource{UID: s.ARN, Name: f.Resource, Region: s.Region, Partition: s.Partition}
	if named && strings.HasPrefix(kind, "AWS::") {
		o.Type = kind
	}
	for k, v := range s.Tags {
		o.Tags = append(o.Tags, ocsfTag{k, v})
	}
	slices.SortFunc(o.Tags, func(a, b ocsfTag) int { return strings.Compare(a.Name, b.Name) })
	return o
}

// proof is a record of the evidence in short, for reports that have no place of
// their own for what it says.
type proof struct {
	ID      string          `json:"id"`
	Kind    fleet.Kind      `json:"kind"`
	Time    string          `json:"time"`
	Name    string          `json:"name"`
	Message string          `json:"message,omitempty"`
	Error   string          `json:"error,omitempty"`
	Trace   string          `json:"trace_id,omitempty"`
	Sure    fleet.Certainty `json:"trace_sure,omitempty"`
}

func ocsfEvidences(s *scene.Scene) ([]ocsfEvidence, error) {
	var out []ocsfEvidence
	for _, rec := range s.Records {
		k := &rec.Keys
		data, err := json.Marshal(proof{
			rec.ID, rec.Kind, fleet.FormatTime(rec.Time), rec.Name, rec.Message, rec.Error, k.Trace, k.TraceLink.Sure,
		})
		if err != nil {
			return nil, err
		}
		e := ocsfEvidence{UID: rec.ID, Name: rec.Name, Data: data}
		if rec.Kind == fleet.KindAPICall {
			e.API = &ocsfAPI{Operation: rec.Attributes.Get(fleet.AttrEventName)}
			if source := rec.Attributes.Get(fleet.AttrEventSource); source != "" {
				e.API.Service = &ocsfProgram{source}
			}
			if k.Request != "" {
				e.API.Request = &ocsfName{k.Request}
			}
		}
		if rec.Principal != "" {
			e.Actor = &ocsfActor{ocsfName{rec.Principal}}
		}
		if ip := rec.Attributes.Get(fleet.AttrSourceIP); isIP(ip) {
			e.Source = &ocsfEndpoint{ip}
		}
		out = append(out, e)
	}
	return out, nil
}

func ocsfActivity(s fleet.Status) (int, string) {
	switch s {
	case fleet.StatusNew:
		return 1, "Create"
	case fleet.StatusResolved:
		return 3, "Close"
	}
	return 2, "Update"
}

func ocsfStatus(s fleet.Status) (int, string) {
	switch s {
	case fleet.StatusWaived:
		return 3, "Suppressed"
	case fleet.StatusResolved:
		return 4, "Resolved"
	}
	return 1, "New" // nobody told muster that work on it has begun
}

func ocsfSeverity(s fleet.Severity) (int, string) {
	if r := s.Rank(); r > 0 {
		return r, []string{"Informational", "Low", "Medium", "High", "Critical"}[r-1]
	}
	return 0, "Unknown"
}

// spellMillis is a time as ASFF and JUnit want it.
func spellMillis(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
