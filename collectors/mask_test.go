package collectors

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

const secret40 = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

func TestMaskHidesSecretsAndKeepsIDs(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"credentials": {
			`{"accessKeyId":"ASIAEXAMPLE","secretAccessKey":"x/y","sessionToken":"IQoJ\"b3","expiration":1}`,
			`{"accessKeyId":"ASIAEXAMPLE","secretAccessKey":"[masked]","sessionToken":"[masked]","expiration":1}`,
		},
		"spellings": {
			`{"Password":"a","db_password":"b","X-Amz-Security-Token":"c","apiKey":"d","passwordResetRequired":true}`,
			`{"Password":"[masked]","db_password":"[masked]","X-Amz-Security-Token":"[masked]","apiKey":"[masked]","passwordResetRequired":true}`,
		},
		"number":         {`{"password":1234,"n":5}`, `{"password":"[masked]","n":5}`},
		"null and empty": {`{"password":null,"secret":""}`, `{"password":null,"secret":""}`},
		"list":           {`{"cookie":["a=b","c=d"],"x":["y"]}`, `{"cookie":["[masked]","[masked]"],"x":["y"]}`},
		"AWS's own mark": {`{"password":"HIDDEN_DUE_TO_SECURITY_REASONS"}`, `{"password":"HIDDEN_DUE_TO_SECURITY_REASONS"}`},
		"page tokens":    {`{"nextToken":"abc","clientRequestToken":"def"}`, `{"nextToken":"abc","clientRequestToken":"def"}`},
		"JSON in a string": {
			`{"body":"{\"password\":\"p\\\"q\",\"user\":\"u\"}"}`,
			`{"body":"{\"password\":\"[masked]\",\"user\":\"u\"}"}`,
		},
		"JSON in that": {
			`{"a":"{\"b\":\"{\\\"password\\\":\\\"p\\\",\\\"c\\\":1}\"}"}`,
			`{"a":"{\"b\":\"{\\\"password\\\":\\\"[masked]\\\",\\\"c\\\":1}\"}"}`,
		},
		"quote that is the string's end": {`{"msg":"no password:","b":"x"}`, `{"msg":"no password:","b":"x"}`},
		"apostrophe":                     {`{"msg":"password='it","b":"it's"}`, `{"msg":"password='[masked]","b":"it's"}`},
		"escaped ampersand":              {`{"u":"/x?token=abc\u0026page=2"}`, `{"u":"/x?token=[masked]\u0026page=2"}`},
		"text":                           {"user=a password=hunter2 done", "user=a password=[masked] done"},
		"text, quoted":                   {`password: "a b", user: c`, `password: "[masked]", user: c`},
		"header":                         {"Authorization: Basic dXNlcjpw\r\nHost: x", "Authorization: [masked]\r\nHost: x"},
		"bearer":                         {"sent Bearer abcdefghijklmnop0123 to x", "sent Bearer [masked] to x"},
		"bearer in words":                {"a bearer of news", "a bearer of news"},
		"URL":                            {"postgres://orders:p4ss@db:5432/x", "postgres://orders:[masked]@db:5432/x"},
		"URL without":                    {"http://db:5432/x@y", "http://db:5432/x@y"},
		"presigned": {
			"https://b/k?X-Amz-Credential=AKIAEXAMPLE%2F1&X-Amz-Security-Token=IQo&X-Amz-Signature=abc",
			"https://b/k?X-Amz-Credential=AKIAEXAMPLE%2F1&X-Amz-Security-Token=[masked]&X-Amz-Signature=[masked]",
		},
		"secret beside a key": {"keys AKIAIOSFODNN7EXAMPLE, " + secret40 + " leaked", "keys AKIAIOSFODNN7EXAMPLE, [masked] leaked"},
		"hash beside a key": {
			"AKIAIOSFODNN7EXAMPLE 0123456789abcdef0123456789abcdef01234567",
			"AKIAIOSFODNN7EXAMPLE 0123456789abcdef0123456789abcdef01234567",
		},
		"private key": {
			"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nbye",
			"-----BEGIN RSA PRIVATE KEY-----[masked]-----END RSA PRIVATE KEY-----\nbye",
		},
		"private key in JSON": {
			`{"k":"-----BEGIN PRIVATE KEY-----\nMIIE\n","b":1}`,
			`{"k":"-----BEGIN PRIVATE KEY-----[masked]","b":1}`,
		},
		"web token":      {"jwt eyJhbGciOiJI.eyJzdWIi.SflKxwRJ ok", "jwt [masked] ok"},
		"name of secret": {"arn:aws:secretsmanager:us-east-1:1:secret:orders-AbCdEf", "arn:aws:secretsmanager:us-east-1:1:secret:orders-AbCdEf"},
		"resource type":  {`{"type":"AWS::SecretsManager::Secret"}`, `{"type":"AWS::SecretsManager::Secret"}`},
	} {
		t.Run(name, func(t *testing.T) {
			got := string(mask([]byte(c.in)))
			if got != c.want {
				t.Errorf("mask(%s)\n got %s\nwant %s", c.in, got, c.want)
			}
			if again := string(mask([]byte(got))); again != got {
				t.Errorf("masking twice changed\n%s\nto\n%s", got, again)
			}
		})
	}
}

// secretsInCorpus finds what must not leave, in a way of its own.
var secretsInCorpus = regexp.MustCompile(`(?i)"(?:sessionToken|secretAccessKey|password|secretString|keyMaterial|authorization)"\s*:\s*"([^"]{8,})"`)

func TestNoSecretOfTheSamplesLeaks(t *testing.T) {
	paths := corpusFiles(t, "cloudtrail-invictus", "218*.json")
	paths = append(paths, corpusFiles(t, "cloudtrail-stratus", "aws*.json")...)
	paths = append(paths, corpusFiles(t, "xray-sdk-captures", "*.udp")...)
	secrets := 0
	for _, p := range paths {
		var out strings.Builder
		rs, _ := readFile(t, p)
		for _, r := range rs {
			doc, err := r.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			out.Write(doc)
		}
		for _, m := range secretsInCorpus.FindAllStringSubmatch(fileText(t, p), -1) {
			if strings.HasPrefix(m[1], "HIDDEN_DUE") {
				continue
			}
			secrets++
			if strings.Contains(out.String(), m[1]) {
				t.Errorf("%s: %s leaks", p, clip(m[0], 60))
			}
		}
	}
	if secrets < 10 {
		t.Errorf("found only %d secrets to look for", secrets)
	}
}

func FuzzMask(f *testing.F) {
	f.Add(`{"password":"x","b":"{\"token\":\"y\"}"}`)
	f.Add(`{"msg":"password=a\\\"b -----BEGIN PRIVATE KEY-----\"","c":"://u:p@h"}`)
	f.Add(`Authorization: Bearer eyJa.b.c AKIAIOSFODNN7EXAMPLE ` + secret40)
	f.Fuzz(func(t *testing.T, in string) {
		out := mask([]byte(in))
		if json.Valid([]byte(in)) && !json.Valid(out) {
			t.Errorf("mask broke JSON:\n%s\n%s", in, out)
		}
		if again := mask(out); string(again) != string(out) {
			t.Errorf("masking twice changed\n%s\nto\n%s", out, again)
		}
	})
}
