package localaws

import (
	"encoding/json"
	"slices"
	"strings"
)

// A managedRule is one of AWS's rules, as far as what the recorder knows decides
// it.
type managedRule struct {
	kinds []string // resource types
	judge func(item *configurationItem) (compliance, annotation string)
}

// managedRules by AWS's identifiers.
var managedRules = map[string]managedRule{
	"INCOMING_SSH_DISABLED":            {[]string{"AWS::EC2::SecurityGroup"}, sshClosed},
	"S3_BUCKET_PUBLIC_READ_PROHIBITED": {[]string{"AWS::S3::Bucket"}, bucketPrivate},
	"SNS_ENCRYPTED_KMS":                {[]string{"AWS::SNS::Topic"}, configured("KmsMasterKeyId")},
	"SQS_QUEUE_DLQ_CHECK":              {[]string{"AWS::SQS::Queue"}, configured("RedrivePolicy")},
}

// sshClosed: no rule lets the whole world reach port 22.
func sshClosed(item *configurationItem) (string, string) {
	var group struct {
		Permissions []struct {
			Protocol string `json:"ipProtocol"`
			From     int    `json:"fromPort"`
			To       int    `json:"toPort"`
			IPv4     []struct {
				CIDR string `json:"cidrIp"`
			} `json:"ipv4Ranges"`
			IPv6 []struct {
				CIDR string `json:"cidrIpv6"`
			} `json:"ipv6Ranges"`
		} `json:"ipPermissions"`
	}
	if json.Unmarshal([]byte(item.Configuration), &group) != nil {
		return noData, ""
	}
	for _, p := range group.Permissions {
		if p.Protocol != "-1" && (p.Protocol != "tcp" || p.From > 22 || p.To < 22) {
			continue
		}
		for _, r := range p.IPv4 {
			if r.CIDR == "0.0.0.0/0" {
				return nonCompliant, ""
			}
		}
		for _, r := range p.IPv6 {
			if r.CIDR == "::/0" {
				return nonCompliant, ""
			}
		}
	}
	return compliant, ""
}

// bucketPrivate: neither policy nor grants give everybody something, or public
// access is blocked. It reads what Config keeps of a bucket beside its
// configuration.
func bucketPrivate(item *configurationItem) (string, string) {
	for _, part := range []string{"PublicAccessBlockConfiguration", "BucketPolicy", "AccessControlList"} {
		text := item.Supplementary[part]
		compact := strings.Join(strings.Fields(strings.ReplaceAll(text, `\`, "")), "")
		switch {
		case part == "PublicAccessBlockConfiguration":
			if strings.Contains(compact, `"restrictPublicBuckets":true`) {
				return compliant, ""
			}
		case strings.Contains(compact, `"Principal":"*"`) && strings.Contains(compact, `"Effect":"Allow"`), strings.Contains(compact, `"Principal":{"AWS":"*"}`) && strings.Contains(compact, `"Effect":"Allow"`):
			return nonCompliant, "The S3 bucket policy allows public read access."
		case strings.Contains(compact, "AllUsers"):
			return nonCompliant, "The S3 bucket access control list (ACL) allows public read access."
		}
	}
	return compliant, ""
}

// configured: a setting has a value.
func configured(setting string) func(*configurationItem) (string, string) {
	return func(item *configurationItem) (string, string) {
		var values map[string]any
		if json.Unmarshal([]byte(item.Configuration), &values) != nil {
			return noData, ""
		}
		if v, _ := values[setting].(string); v == "" {
			return nonCompliant, ""
		}
		return compliant, ""
	}
}

// verdicts are a rule's evaluations that can be read at the time of a call, by
// resource. Those of a managed rule follow from the newest picture of each
// resource: Config runs it as the picture arrives.
func (cs *configStore) verdicts(c *call, rule *configRule) []evaluation {
	var out []evaluation
	if rule.identifier == "" {
		cs.mu.Lock()
		for _, e := range rule.evaluations {
			out = append(out, e)
		}
		cs.mu.Unlock()
	} else {
		managed := managedRules[rule.identifier]
		for _, item := range cs.latest(c, c.Time, func(i *configurationItem) bool {
			return slices.Contains(managed.kinds, i.ResourceType) && (len(rule.scope) == 0 || slices.Contains(rule.scope, i.ResourceType))
		}) {
			if item.Status == statusDeleted {
				continue
			}
			at := item.visible
			if at.Before(rule.created) {
				at = rule.created
			}
			verdict, annotation := managed.judge(&item)
			out = append(out, evaluation{resourceKey{item.ResourceType, item.ResourceID}, verdict, annotation, item.CaptureTime.Time, at, at})
		}
	}
	slices.SortFunc(out, func(a, b evaluation) int { return strings.Compare(a.kind+a.id, b.kind+b.id) })
	return out
}
