package opensearch

import (
	"errors"
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
}

// errAddress does not repeat what was given: there may be a password in it.
var errAddress = errors.New("an OpenSearch store is named opensearch+https://[user@]host[:port], or opensearch+http:// without encryption; the password belongs in MUSTER_OPENSEARCH_PASSWORD")

// ParseAddress reads an address with or without Scheme before it. A password
// that is given apart is for the user in it, and outranks one in it.
func ParseAddress(text, password string) (Address, error) {
	u, err := url.Parse(strings.TrimPrefix(text, Scheme))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return Address{}, errAddress
	}
	a := Address{User: u.User.Username()}
	if inText, ok := u.User.Password(); ok {
		a.Password = inText
	}
	if password != "" {
		a.Password = password
	}
	if a.User == "" && u.User != nil {
		return Address{}, errAddress
	}
	u.User = nil
	a.URL = strings.TrimSuffix(u.String(), "/")
	return a, nil
}

func (a Address) secure() bool { return strings.HasPrefix(a.URL, "https://") }

// String is the address without the password.
func (a Address) String() string { return Scheme + a.URL }

// GoString keeps the password out of %#v too.
func (a Address) GoString() string { return a.String() }
