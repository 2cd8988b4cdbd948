package opensearch

import (
	"errors"
	"net"
	"net/url"
	"strings"
)

// Scheme begins the name of an OpenSearch store: opensearch+https://host:9200.
const Scheme = "opensearch+"

// Address says where an OpenSearch is and who asks. Printing it never shows the
// password.
type Address struct {
	URL            string // without the user: "https://host:9200"
	User, Password string
	// Sign is the AWS service that requests are signed for: "es" for OpenSearch
	// Service, "aoss" for OpenSearch Serverless, "" for no signature.
	Sign string
	// Region is of the signature; "" for that of the AWS environment.
	Region string
}

// errAddress does not repeat what was given: there may be a password in it.
var errAddress = errors.New("an OpenSearch store is named opensearch+https://[user@]host[:port], or opensearch+http:// without encryption; " +
	"the password belongs in MUSTER_OPENSEARCH_PASSWORD; one on AWS that takes signed requests is named opensearch+https://host?sigv4=es&region=us-east-1, or sigv4=aoss for Serverless")

// ParseAddress reads an address with or without Scheme before it. A password
// that is given apart is for the user in it, and outranks one in it.
func ParseAddress(text, password string) (Address, error) {
	u, err := url.Parse(strings.TrimPrefix(text, Scheme))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
		return Address{}, errAddress
	}
	a := Address{User: u.User.Username()}
	if err := a.readQuery(u); err != nil {
		return Address{}, err
	}
	if inText, ok := u.User.Password(); ok {
		a.Password = inText
	}
	if password != "" && a.Sign == "" {
		a.Password = password
	}
	if a.User == "" && u.User != nil || a.Sign != "" && u.User != nil {
		return Address{}, errAddress
	}
	u.User, u.RawQuery = nil, ""
	a.URL = strings.TrimSuffix(u.String(), "/")
	return a, nil
}

// readQuery reads how requests are signed.
func (a *Address) readQuery(u *url.URL) error {
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return errAddress
	}
	a.Sign, a.Region = q.Get("sigv4"), q.Get("region")
	q.Del("sigv4")
	q.Del("region")
	if len(q) > 0 || a.Region != "" && a.Sign == "" || a.Sign != "" && a.Sign != "es" && a.Sign != "aoss" {
		return errAddress
	}
	return nil
}

// local reports whether the engine is on this machine.
func (a Address) local() bool {
	u, err := url.Parse(a.URL)
	return err == nil && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}

// String is the address without the password.
func (a Address) String() string {
	s := Scheme + a.URL
	if a.Sign != "" {
		s += "?" + url.Values{"sigv4": {a.Sign}, "region": {a.Region}}.Encode()
	}
	return s
}

// GoString keeps the password out of %#v too.
func (a Address) GoString() string { return a.String() }
