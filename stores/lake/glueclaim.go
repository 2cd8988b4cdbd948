package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
)

// claimFile lies beside the tables and says which Glue database is their
// catalog. Two catalogs over the same files would each remove what the other
// one wrote.
const claimFile = "lake.json"

// claim is what claimFile holds.
type claim struct {
	Database string `json:"glue_database"`
	Region   string `json:"region"`
	Account  string `json:"account,omitempty"` // as Glue says; "" when it does not
}

// claim makes sure that the catalog's database and the bucket's prefix belong to
// each other and to nobody else, and makes the database when there is none.
func (c *glueCatalog) claim(ctx context.Context) error {
	account, err := c.makeDatabase(ctx)
	if err != nil {
		return err
	}
	for _, l := range layouts() {
		if _, err := c.entry(ctx, l.name); err != nil && !errors.Is(err, errNoTable) {
			return err
		}
	}
	want := claim{Database: c.database, Region: c.bucket.region, Account: account}
	have, err := c.readClaim(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		if err := c.writeClaim(ctx, want); err != nil {
			return err
		}
		have, err = c.readClaim(ctx) // another program may have been faster
	}
	if err != nil {
		return err
	}
	if have != want {
		return fmt.Errorf("%s says that this is the lake of Glue database %s in %s %s, not of %s in %s %s: set --glue-database and --store-region, or choose another prefix",
			claimFile, have.Database, have.Region, have.Account, want.Database, want.Region, want.Account)
	}
	return nil
}

// makeDatabase returns the account that the database is in.
func (c *glueCatalog) makeDatabase(ctx context.Context) (account string, err error) {
	for range 2 {
		out, err := c.client.GetDatabase(ctx, &glue.GetDatabaseInput{Name: &c.database})
		if err == nil {
			return aws.ToString(out.Database.CatalogId), nil
		}
		if code(err) != "EntityNotFoundException" {
			return "", c.explain("glue:GetDatabase", "", err)
		}
		_, err = c.client.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{
			Name: &c.database, LocationUri: aws.String(c.bucket.base()), Description: aws.String("evidence of a fleet, kept by muster"),
		}})
		if err != nil && code(err) != "AlreadyExistsException" {
			return "", c.explain("glue:CreateDatabase", "", err)
		}
	}
	return "", fmt.Errorf("Glue database %s was made and is not there", c.database) //nolint:staticcheck // a name
}

func (c *glueCatalog) readClaim(ctx context.Context) (claim, error) {
	var have claim
	o, err := c.bucket.get(ctx, c.bucket.prefix+claimFile, "")
	if err != nil {
		return have, err
	}
	if err := json.Unmarshal(o.body, &have); err != nil {
		return have, fmt.Errorf("read %s/%s: %w", c.bucket.base(), claimFile, err)
	}
	return have, nil
}

// writeClaim writes the claim unless there is one.
func (c *glueCatalog) writeClaim(ctx context.Context, want claim) error {
	content, err := json.Marshal(want)
	if err != nil {
		return err
	}
	key := c.bucket.prefix + claimFile
	in := c.bucket.putInput(key)
	in.Body, in.IfNoneMatch = bytes.NewReader(content), aws.String("*")
	_, err = c.bucket.client.PutObject(ctx, in)
	if answer, _ := status(err); answer == http.StatusPreconditionFailed || answer == http.StatusConflict {
		return nil
	}
	return c.bucket.explain("s3:PutObject", key, err)
}
