package report

import (
	"io"
	"net/netip"
	"strconv"
	"strings"

	"muster/audit"
	"muster/audit/scene"
	"muster/fleet"
)

// Security Hub's bounds, in characters.
const (
	asffTitle       = 256
	asffDescription = 1024
	asffRemedy      = 512
	asffField       = 2048 // of a value of ProductFields
)

// unknownAccount stands where no record names one, since the format wants twelve
// digits; Security Hub accepts no such finding.
const unknownAccount = "000000000000"

// ASFF is a finding in the AWS Security Finding Format, with the names that
// Security Hub's BatchImportFindings has.
type ASFF struct {
	SchemaVersion   string
	ID              string `json:"Id"`
	ProductARN      string `json:"ProductArn"`
	ProductName     string
	CompanyName     string
	Region          string `json:",omitempty"`
	GeneratorID     string `json:"GeneratorId"`
	AwsAccountID    string `json:"AwsAccountId"`
	Types           []string
	FirstObservedAt string
	LastObservedAt  string
	CreatedAt       string
	UpdatedAt       string
	Severity        ASFFSeverity
	Title           string
	Description     string
	Remediation     *ASFFRemediation  `json:",omitempty"`
	ProductFields   map[string]string `json:",omitempty"`
	Resources       []ASFFResource
	RecordState     string
	Workflow        ASFFWorkflow
	Note            *ASFFNote `json:",omitempty"`
}

// ASFFSeverity has the label by which Security Hub sorts.
type ASFFSeverity struct{ Label, Original string }

// ASFFRemediation is what to do.
type ASFFRemediation struct{ Recommendation ASFFRecommendation }

// ASFFRecommendation is what to do, and where to read on.
type ASFFRecommendation struct {
	Text string
	URL  string `json:"Url,omitempty"`
}

// ASFFResource is what a finding is about.
type ASFFResource struct {
	Type      string
	ID        string `json:"Id"`
	Partition string
	Region    string            `json:",omitempty"`
	Tags      map[string]string `json:",omitempty"`
}

// ASFFWorkflow is where people are with a finding.
type ASFFWorkflow struct{ Status string }

// ASFFNote says who waived a finding, and why.
type ASFFNote struct{ Text, UpdatedBy, UpdatedAt string }

// asff writes one document with all findings under "Findings".
func asff(w io.Writer, r *Report) error {
	return document(w, struct{ Findings []ASFF }{r.ASFF()})
}

// ASFF are the findings of the report in the AWS Security Finding Format, worst
// first. The product is the account's own default product.
func (r *Report) ASFF() []ASFF {
	out := []ASFF{}
	for _, f := range sorted(r.Findings) {
		out = append(out, asffFinding(r, &f))
	}
	return out
}

func asffFinding(r *Report, f *fleet.Finding) ASFF {
	s := r.scene(f)
	account, region := s.Account, s.Region
	if account == "" {
		account = unknownAccount
	}
	p := r.policy(f.Policy)
	a := ASFF{
		SchemaVersion: "2018-10-08", ID: "muster/" + f.Fingerprint,
		ProductARN:  "arn:" + s.Partition + ":securityhub:" + region + ":" + account + ":product/" + account + "/default",
		ProductName: "muster", CompanyName: "muster", Region: region, GeneratorID: "muster/" + f.Policy, AwsAccountID: account,
		Types:           []string{asffType(p)},
		FirstObservedAt: spellMillis(f.FirstSeen), LastObservedAt: spellMillis(f.LastSeen),
		CreatedAt: spellMillis(f.FirstSeen), UpdatedAt: spellMillis(latest(f.LastSeen, r.Run.Started)),
		Severity: ASFFSeverity{asffLabel(f.Severity), string(f.Severity)},
		Title:    shorten(f.Title, asffTitle), Description: shorten(what(f), asffDescription),
		Resources: []ASFFResource{asffAbout(f, &s)}, RecordState: "ACTIVE", Workflow: ASFFWorkflow{"NEW"},
		ProductFields: map[string]string{
			"muster/policy": f.Policy, "muster/status": string(f.Status), "muster/count": strconv.Itoa(f.Count),
		},
	}
	for name, value := range map[string]string{
		"muster/service": f.Service, "muster/trace_id": f.Trace, "muster/evidence": strings.Join(f.Evidence, " "),
	} {
		if value != "" {
			a.ProductFields[name] = shorten(value, asffField)
		}
	}
	if f.Remedy != "" {
		a.Remediation = &ASFFRemediation{ASFFRecommendation{Text: shorten(f.Remedy, asffRemedy)}}
		if p != nil && len(p.References) > 0 {
			a.Remediation.Recommendation.URL = p.References[0]
		}
	}
	switch f.Status {
	case fleet.StatusResolved:
		a.RecordState, a.Workflow.Status = "ARCHIVED", "RESOLVED"
	case fleet.StatusWaived:
		a.Workflow.Status = "SUPPRESSED"
		if why := r.Waived[f.Fingerprint]; why != "" {
			a.Note = &ASFFNote{shorten(why, asffRemedy), "muster", a.UpdatedAt}
		}
	}
	return a
}

// asffType is the format's own classification: what an attacker does, or what is
// not as it should be.
func asffType(p *audit.Policy) string {
	if p != nil && len(ocsfAttacks(p.Tags)) > 0 {
		return "TTPs"
	}
	return "Software and Configuration Checks/AWS Security Best Practices"
}

func asffLabel(s fleet.Severity) string {
	if s == fleet.Info || s.Rank() == 0 {
		return "INFORMATIONAL"
	}
	return strings.ToUpper(string(s))
}

// asffTypes are the format's names of resource types that muster's fleets have.
var asffTypes = map[string]string{
	"AWS::CloudTrail::Trail":           "AwsCloudTrailTrail",
	"AWS::DynamoDB::Table":             "AwsDynamoDbTable",
	"AWS::EC2::Instance":               "AwsEc2Instance",
	"AWS::EC2::SecurityGroup":          "AwsEc2SecurityGroup",
	"AWS::EC2::VPC":                    "AwsEc2Vpc",
	"AWS::ECS::Cluster":                "AwsEcsCluster",
	"AWS::ECS::Service":                "AwsEcsService",
	"AWS::IAM::Policy":                 "AwsIamPolicy",
	"AWS::IAM::Role":                   "AwsIamRole",
	"AWS::IAM::User":                   "AwsIamUser",
	"AWS::KMS::Key":                    "AwsKmsKey",
	"AWS::Lambda::Function":            "AwsLambdaFunction",
	"AWS::RDS::DBInstance":             "AwsRdsDbInstance",
	"AWS::S3::Bucket":                  "AwsS3Bucket",
	"AWS::SNS::Topic":                  "AwsSnsTopic",
	"AWS::SQS::Queue":                  "AwsSqsQueue",
	"AWS::SecretsManager::Secret":      "AwsSecretsManagerSecret",
	"AWS::StepFunctions::StateMachine": "AwsStepFunctionStateMachine",
}

func asffAbout(f *fleet.Finding, s *scene.Scene) ASFFResource {
	kind, _, _ := strings.Cut(f.Resource, "/")
	o := ASFFResource{Type: "Other", ID: s.ARN, Partition: s.Partition, Region: s.Region, Tags: s.Tags}
	if t, ok := asffTypes[kind]; ok {
		o.Type = t
	}
	for _, id := range []string{f.Resource, f.Service, f.Trace, f.Fingerprint} {
		if o.ID == "" {
			o.ID = id
		}
	}
	return o
}

// shorten keeps so many characters of a text, the last of them an ellipsis.
func shorten(s string, most int) string {
	rs := []rune(s)
	if len(rs) <= most {
		return s
	}
	return string(rs[:most-1]) + "…"
}

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}
