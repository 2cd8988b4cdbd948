package engines

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
)

// secureSettings switch TLS on everywhere, with certificates of our own, and
// make the users that the plugin comes with.
const secureSettings = `
plugins.security.ssl.transport.pemcert_filepath: node.pem
plugins.security.ssl.transport.pemkey_filepath: node.key
plugins.security.ssl.transport.pemtrustedcas_filepath: ca.pem
plugins.security.ssl.transport.enforce_hostname_verification: false
plugins.security.ssl.http.enabled: true
plugins.security.ssl.http.pemcert_filepath: node.pem
plugins.security.ssl.http.pemkey_filepath: node.key
plugins.security.ssl.http.pemtrustedcas_filepath: ca.pem
plugins.security.nodes_dn: ["CN=node"]
plugins.security.allow_default_init_securityindex: true
plugins.security.restapi.roles_enabled: ["all_access", "security_rest_api_access"]
plugins.security.check_snapshot_restore_write_privileges: true
`

// limitedRole is what LimitedUser may do.
const limitedRole = "muster_limited"

// StartSecureOpenSearch starts an OpenSearch 2.19.4 with the security plugin:
// TLS by a CA of its own, users and roles. The context bounds the start.
func StartSecureOpenSearch(ctx context.Context) (*OpenSearch, error) {
	// 24 and later lack the security manager that this version asks for.
	jdk, err := java(ctx, 17, 23)
	if err != nil {
		return nil, err
	}
	home, err := secureHome(ctx, jdk)
	if err != nil {
		return nil, err
	}
	certificates, err := newCertificates()
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(certificates.ca)
	o := &OpenSearch{
		CA: certificates.ca, home: home, jdk: jdk, java: quickStart,
		// The plugin's own demo user, whose password hash it comes with.
		User: "admin", Password: "admin", LimitedUser: "limited", LimitedPassword: "Only-what-Limit-allows-1",
		client: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}}},
	}
	err = o.layOut(ctx, secureSettings)
	for name, text := range map[string][]byte{"ca.pem": certificates.ca, "node.pem": certificates.node, "node.key": certificates.nodeKey} {
		err = errors.Join(err, write(o.work, "config/"+name, string(text)))
	}
	if err == nil {
		err = o.Restart(ctx)
	}
	if err == nil {
		err = o.addLimited(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// secureHome is the unpacked engine with the plugin, installed from its archive.
func secureHome(ctx context.Context, jdk string) (string, error) {
	home, err := once("opensearch-"+openSearchSecureVersion+"-security", func(dir string) error {
		if err := unpackOpenSearch(ctx, dir, openSearchSecureVersion); err != nil {
			return err
		}
		plugin, err := artifact(ctx, "org.opensearch.plugin", "opensearch-security", openSearchSecureVersion+".0", "zip")
		if err != nil {
			return err
		}
		return run(ctx, "env", "OPENSEARCH_JAVA_HOME="+jdk, "JAVA_HOME="+jdk,
			filepath.Join(dir, "bin", "opensearch-plugin"), "install", "--batch", "file://"+plugin)
	})
	return home, err
}

// addLimited makes the limited user.
func (o *OpenSearch) addLimited(ctx context.Context) error {
	if err := o.Limit(ctx); err != nil {
		return err
	}
	user, err := json.Marshal(map[string]any{
		"password": o.LimitedPassword, "opendistro_security_roles": []string{limitedRole},
	})
	if err != nil {
		return err
	}
	return o.do(ctx, http.MethodPut, "/_plugins/_security/api/internalusers/"+o.LimitedUser, string(user))
}

// Limit says which indices LimitedUser may make, read and write from now on: by
// patterns such as "muster-*". He may see the cluster's health, and templates,
// and use no other index.
func (o *OpenSearch) Limit(ctx context.Context, patterns ...string) error {
	role := map[string]any{
		"cluster_permissions": []string{
			"cluster_monitor", "cluster_composite_ops", "indices:admin/index_template/*", "cluster:admin/component_template/*",
			"indices:data/read/point_in_time/*",
		},
	}
	if len(patterns) > 0 {
		role["index_permissions"] = []any{map[string]any{"index_patterns": patterns, "allowed_actions": []string{"indices_all"}}}
	}
	body, err := json.Marshal(role)
	if err != nil {
		return err
	}
	return o.do(ctx, http.MethodPut, "/_plugins/_security/api/roles/"+limitedRole, string(body))
}
