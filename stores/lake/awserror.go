package lake

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// code is what AWS calls an error, "" when it did not answer.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// status is the HTTP status of an error's answer, and its headers; 0 when there
// was none.
func status(err error) (int, http.Header) {
	e, ok := errors.AsType[*awshttp.ResponseError](err)
	if ok && e.Response != nil && e.Response.Response != nil {
		return e.Response.StatusCode, e.Response.Header
	}
	return 0, nil
}

// explain adds to an error of S3 what it is about and what to do.
func (b *bucket) explain(action, key string, err error) error {
	if err == nil {
		return nil
	}
	answer, header := status(err)
	switch c := code(err); {
	case c == "NoSuchKey" || c == "NotFound":
		return fmt.Errorf("%w (%w)", fs.ErrNotExist, err)
	case c == "NoSuchBucket":
		return fmt.Errorf("bucket %s does not exist: create it, or correct the store's address: %w", b.name, err)
	case c == "PermanentRedirect" || c == "AuthorizationHeaderMalformed" || c == "IllegalLocationConstraintException" || answer == http.StatusMovedPermanently:
		return fmt.Errorf("bucket %s lies in region %s and was asked for in %s: set --store-region: %w", b.name, regionOf(header), b.region, err)
	case (c == "AccessDenied" || answer == http.StatusForbidden) && strings.Contains(strings.ToLower(err.Error()), "kms"):
		return fmt.Errorf("the credentials lack kms:GenerateDataKey (to write) or kms:Decrypt (to read) on the key that bucket %s is encrypted with: %w", b.name, err)
	case c == "AccessDenied" || answer == http.StatusForbidden && c == "":
		return fmt.Errorf("the credentials lack %s on %s (or s3:ListBucket, without which what is absent is denied): %w", action, b.arn(action, key), err)
	}
	return err
}

func regionOf(h http.Header) string {
	if r := h.Get("X-Amz-Bucket-Region"); r != "" {
		return r
	}
	return "another"
}

// arn is the resource that a policy has to name.
func (b *bucket) arn(action, key string) string {
	if action == "s3:ListBucket" {
		return "arn:aws:s3:::" + b.name
	}
	return "arn:aws:s3:::" + b.name + "/" + key
}

// explain adds to an error of Glue what it is about and what to do.
func (c *glueCatalog) explain(action, tableName string, err error) error {
	what := "database " + c.database
	if tableName != "" {
		what = "table " + c.database + "." + tableName
	}
	switch code(err) {
	case "":
		return fmt.Errorf("ask Glue about %s: %w", what, err)
	case "AccessDeniedException":
		return fmt.Errorf("the credentials lack %s on %s, the database and the catalog (or its grant in Lake Formation): %w", action, what, err)
	default:
		return fmt.Errorf("%s on %s: %w", action, what, err)
	}
}
