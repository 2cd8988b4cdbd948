package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/pflag"

	"muster/stores/lake"
)

// bucketScheme starts a store on S3.
const bucketScheme = "s3://"

// storeAttempts is how often a call to S3 or Glue is made. The SDK's waits add up
// to some 10 seconds, in which S3 has made room for a prefix that it slowed down.
const storeAttempts = 6

// bucketFlags are about a lake on S3.
type bucketFlags struct {
	database, region, sse, sseKey string

	// What the verb says of AWS, where it reads an account besides.
	endpoint, profile, accountRegion string
}

func (f *bucketFlags) register(fs *pflag.FlagSet) {
	fs.StringVar(&f.database, "glue-database", lake.DefaultDatabase, "Glue database with the tables of a store on S3, one for each fleet")
	fs.StringVar(&f.region, "store-region", "", "region of a store on S3 and of its Glue database; default from the AWS environment")
	fs.StringVar(&f.sse, "sse", "", "how a store on S3 encrypts what it writes: AES256, aws:kms; default as the bucket is set")
	fs.StringVar(&f.sseKey, "sse-kms-key", "", "KMS `key` (id, ARN or alias) of --sse aws:kms; default the account's for S3")
}

// shareWith takes over what a verb's own flags say of AWS.
func (f *bucketFlags) shareWith(fs *pflag.FlagSet) {
	for name, to := range map[string]*string{"endpoint-url": &f.endpoint, "profile": &f.profile, "region": &f.accountRegion} {
		if flag := fs.Lookup(name); flag != nil {
			*to = flag.Value.String()
		}
	}
}

func (f *bucketFlags) config(ctx context.Context) (aws.Config, error) {
	account := awsFlags{endpoint: f.endpoint, profile: f.profile, region: f.region}
	cfg, err := account.load(ctx)
	if cfg.Region == "" {
		cfg.Region = f.accountRegion
	}
	if cfg.RetryMaxAttempts == 0 { // AWS_MAX_ATTEMPTS says otherwise
		cfg.RetryMaxAttempts = storeAttempts
	}
	return cfg, err
}

// onS3 reports whether the store is a lake on S3.
func (a *app) onS3() bool { return strings.HasPrefix(a.store, bucketScheme) }

// beside is a file of this machine that belongs to the store: in the folder, or
// in the working directory for one on S3, unless --state names another.
func (a *app) beside(file string) string {
	if a.state != "" {
		return filepath.Join(a.state, file)
	}
	if a.onS3() {
		return path.Base(a.store) + "-" + file
	}
	return filepath.Join(a.store, file)
}

// openLake opens the store, making it if it is not there and readOnly is not set.
func (a *app) openLake(ctx context.Context, readOnly bool) (*lake.Lake, error) {
	if a.copy != nil {
		return nil, fmt.Errorf("store %s: this verb needs the lake itself and OpenSearch holds its copy: give --store the folder or s3://bucket/prefix", a.store)
	}
	scheme, _, remote := strings.Cut(a.store, "://")
	if remote && !a.onS3() {
		return nil, fmt.Errorf("store %s: there is no store at %s:// addresses: give --store a folder, s3://bucket/prefix or opensearch+https://host", a.store, scheme)
	}
	if readOnly && !remote {
		if _, err := os.Stat(a.store); err != nil {
			return nil, fmt.Errorf("store %s: there is nothing there yet: collect, import or run the demo into it, or name another with --store (%w)", a.store, err)
		}
	}
	o, err := a.lakeOptions(ctx, readOnly)
	if err != nil {
		return nil, err
	}
	return lake.Open(ctx, a.store, o)
}

// lakeOptions are those of the store. AWS is looked for only when it is there.
func (a *app) lakeOptions(ctx context.Context, readOnly bool) (lake.Options, error) {
	o := lake.Options{Now: time.Now, Logger: a.logger(), ReadOnly: readOnly, Since: a.since, Athena: a.athena}
	if !a.onS3() {
		return o, nil
	}
	var err error
	if o.AWS, err = a.bucket.config(ctx); err != nil {
		return o, fmt.Errorf("store %s: %w", a.store, err)
	}
	o.Database, o.Encryption = a.bucket.database, a.encryption()
	return o, nil
}

// encryption is that of everything written to S3.
func (a *app) encryption() lake.Encryption {
	return lake.Encryption{Mode: a.bucket.sse, KeyID: a.bucket.sseKey}
}

// openExisting opens a store that must be there: what looks after evidence, or
// judges it, makes no empty lake where a name was misspelled.
func (a *app) openExisting(ctx context.Context, readOnly bool) (*lake.Lake, error) {
	if !readOnly {
		if err := a.storeExists(ctx); err != nil {
			return nil, err
		}
	}
	return a.openLake(ctx, readOnly)
}

// storeExists reports that there is nothing in a store, before an empty one is
// made, and found clean.
func (a *app) storeExists(ctx context.Context) error {
	if strings.Contains(a.store, "://") {
		l, err := a.openLake(ctx, true) // which makes nothing
		if err != nil {
			return err
		}
		return l.Close()
	}
	entries, err := os.ReadDir(a.store)
	if err == nil && len(entries) > 0 {
		return nil
	}
	if err == nil {
		err = errors.New("the folder is empty")
	}
	return fmt.Errorf("store %s: there is nothing there yet: collect, import or run the demo into it, or name another with --store (%w)", a.store, err)
}
