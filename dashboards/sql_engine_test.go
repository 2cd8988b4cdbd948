//go:build engines

package dashboards

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"muster/internal/engines"
	"muster/stores/lake"
)

// TestEveryQueryIsSQLForTrino makes a lake in Glue and S3 as muster does, its
// views in Trino, and has Trino check every saved query against them, down to
// the types.
func TestEveryQueryIsSQLForTrino(t *testing.T) {
	ctx := t.Context()
	moto, err := engines.StartMoto(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := moto.Close(); err != nil {
			t.Error(err)
		}
	})
	trino, err := engines.StartTrino(ctx, moto)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := trino.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := moto.MakeBucket(ctx, "fleet"); err != nil {
		t.Fatal(err)
	}
	store, err := lake.Open(ctx, "s3://fleet/lake", lake.Options{Database: engines.Database, AWS: aws.Config{
		Region: engines.Region, BaseEndpoint: aws.String(moto.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(engines.Key, engines.Secret, ""),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for _, view := range lake.Views() {
		if _, err := trino.Query(ctx, view.SQL); err != nil {
			t.Errorf("view %s: %v", view.Name, err)
		}
	}
	for _, name := range Queries() {
		text, err := Query(name)
		if err != nil {
			t.Fatal(err)
		}
		result, err := trino.Query(ctx, "EXPLAIN (TYPE VALIDATE) "+text)
		if err != nil {
			t.Errorf("query %s: %v", name, err)
			continue
		}
		if len(result.Rows) != 1 || result.Rows[0][0] != true {
			t.Errorf("query %s: Trino says %v", name, result.Rows)
		}
	}
}
