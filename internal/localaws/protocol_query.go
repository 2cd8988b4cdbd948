package localaws

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
)

// namespaces are the XML namespaces of the query services.
var namespaces = map[string]string{
	"iam": "https://iam.amazonaws.com/doc/2010-05-08/",
	"sts": "https://sts.amazonaws.com/doc/2011-06-15/",
	"sns": "http://sns.amazonaws.com/doc/2010-03-31/",
	"ec2": "http://ec2.amazonaws.com/doc/2016-11-15/",
}

// queryProtocol is awsQuery: a form with an Action in, XML out. With flat it is
// EC2's variant, which wraps neither results nor errors in the same way.
type queryProtocol struct{ flat bool }

func (queryProtocol) parse(_ *http.Request, body []byte, c *call) error {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return failf("MalformedQueryString", "cannot read the form: %v", err)
	}
	c.Operation, c.form = form.Get("Action"), form
	if c.Operation == "" {
		return failf("MissingAction", "The request must contain the parameter Action.")
	}
	return nil
}

// write encodes an answer, a struct with xml tags; nil for none. With flat it is
// the whole response and never nil: see ec2Answer.
func (p queryProtocol) write(w http.ResponseWriter, c *call, answer any) error {
	root := xml.StartElement{
		Name: xml.Name{Local: c.Operation + "Response"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespaces[c.Service]}},
	}
	var body any = queryResponse{Result: named{c.Operation + "Result", answer}, RequestID: c.RequestID}
	if p.flat {
		body = answer
	}
	sendXMLHeader(w, c, http.StatusOK)
	enc := xml.NewEncoder(w)
	if err := enc.EncodeElement(body, root); err != nil {
		return fmt.Errorf("encode the answer of %s: %w", c.action(), err)
	}
	return enc.Close()
}

type queryResponse struct {
	Result    named
	RequestID string `xml:"ResponseMetadata>RequestId"`
}

// named encodes a value under a name that only the call knows.
type named struct {
	name  string
	value any
}

func (n named) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	if n.value == nil {
		return nil
	}
	return e.EncodeElement(n.value, xml.StartElement{Name: xml.Name{Local: n.name}})
}

func (p queryProtocol) fail(w http.ResponseWriter, c *call, e *apiError) {
	party := "Sender"
	if e.fault() {
		party = "Receiver"
	}
	var body any = struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Xmlns     string   `xml:"xmlns,attr"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Xmlns: namespaces[c.Service], Type: party, Code: e.Code, Message: e.Message, RequestID: c.RequestID}
	if p.flat {
		body = struct {
			XMLName   xml.Name `xml:"Response"`
			Code      string   `xml:"Errors>Error>Code"`
			Message   string   `xml:"Errors>Error>Message"`
			RequestID string   `xml:"RequestID"`
		}{Code: e.Code, Message: e.Message, RequestID: c.RequestID}
	}
	sendXMLHeader(w, c, e.status())
	_ = xml.NewEncoder(w).Encode(body) // the client is gone: nobody to tell
}

func sendXMLHeader(w http.ResponseWriter, c *call, status int) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.Header().Set("X-Amzn-Requestid", c.RequestID)
	w.WriteHeader(status)
}
