package localaws

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// controlPath begins the paths by which the stand-in itself is controlled; no
// AWS service has them.
const controlPath = "/_muster/"

// maxControlBody bounds a control request, in bytes.
const maxControlBody = 64 << 10

func (s *Server) serveControl(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET " + controlPath + "health":
		_, _ = io.WriteString(w, "ok\n") // the caller is gone: nobody to tell
	case "POST " + controlPath + "drain":
		s.Drain()
		w.WriteHeader(http.StatusNoContent)
	case "POST " + controlPath + "signin":
		s.serveSignin(w, r)
	default:
		http.NotFound(w, r)
	}
}

// signin is a login to the console, which no SDK can make.
type signin struct {
	User     string `json:"user"` // "root" is the account's owner
	MFA      bool   `json:"mfa"`
	SourceIP string `json:"source_ip"` // empty means the caller's
}

func (s *Server) serveSignin(w http.ResponseWriter, r *http.Request) {
	var in signin
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControlBody)).Decode(&in); err != nil {
		http.Error(w, fmt.Sprintf("cannot read the sign-in: %v", err), http.StatusBadRequest)
		return
	}
	if in.User == "" {
		http.Error(w, "a sign-in needs a user", http.StatusBadRequest)
		return
	}
	if in.SourceIP == "" {
		in.SourceIP = sourceIP(r)
	}
	s.recordSignin(in, r.UserAgent())
	w.WriteHeader(http.StatusNoContent)
}

// signinRegion is where CloudTrail reports global services.
const signinRegion = "us-east-1"

// recordSignin records a ConsoleLogin as AWS writes it; there is no API call
// behind it, and so no request id.
func (s *Server) recordSignin(in signin, userAgent string) {
	who := userIdentity{
		Type: "Root", PrincipalID: s.account, ARN: "arn:aws:iam::" + s.account + ":root", AccountID: s.account,
	}
	if in.User != "root" {
		who = s.identities.user(in.User, "").forEvent()
	}
	used := "No"
	if in.MFA {
		used = "Yes"
	}
	now := s.now()
	s.trail.add(event{
		EventVersion: eventVersion, UserIdentity: who, EventTime: now.Format(eventTimeFormat),
		EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin", Region: signinRegion,
		SourceIPAddress: in.SourceIP, UserAgent: userAgent,
		ResponseElements: map[string]any{"ConsoleLogin": "Success"},
		AdditionalEventData: map[string]any{
			"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": used,
		},
		EventID: newUUID(), EventType: "AwsConsoleSignIn", ManagementEvent: true,
		RecipientAccountID: s.account, EventCategory: "Management",
	}, now)
}
