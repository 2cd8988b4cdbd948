package opensearch

import (
	"crypto/x509"
	"errors"
	"net/http"
	"strings"
)

// OpenSearch's types of error that are about something other than the document.
const (
	kindBlock    = "cluster_block_exception"
	kindLimit    = "validation_exception" // too many shards
	kindSecurity = "security_exception"
)

// remedy says what a person can do about an index that takes nothing, behind a
// colon; "" when there is no more to say than OpenSearch does.
func remedy(status int, e *itemError) string {
	switch {
	case e.Kind == kindBlock && strings.Contains(e.Reason, "flood-stage"):
		return ": free disk space or add a node; OpenSearch lifts the block itself once there is room"
	case e.Kind == kindBlock && strings.Contains(e.Reason, "read-only"):
		return ": it was made read-only; set index.blocks.read_only, or read_only_allow_delete after a full disk, to null"
	case e.Kind == kindBlock:
		return ": writing was blocked by hand; set index.blocks.write to null"
	case e.Kind == kindLimit:
		return ": delete old indices or raise cluster.max_shards_per_node"
	case e.Kind == kindSecurity || status == http.StatusForbidden:
		return ": give the user the permissions in docs/opensearch.md on this index"
	case status == http.StatusNotFound:
		return ": allow this index in action.auto_create_index, or make it"
	default:
		return ""
	}
}

// untrusted reports whether the certificate of the other side was not accepted,
// which trying again does not change.
func untrusted(err error) bool {
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, host := errors.AsType[x509.HostnameError](err)
	_, invalid := errors.AsType[x509.CertificateInvalidError](err)
	return unknown || host || invalid
}

// trustRemedy says what to do about a certificate that was not accepted.
func trustRemedy(err error) string {
	if !untrusted(err) {
		return ""
	}
	return ": if this is your OpenSearch, name the file with its authority by --opensearch-ca, and the address by the name in its certificate"
}
