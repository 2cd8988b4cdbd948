//go:build engines

package engines

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/glue"
	"github.com/aws/aws-sdk-go-v2/service/glue/types"
	"golang.org/x/sync/errgroup"
)

func TestMotoRefusesAnUpdateOfAnotherVersion(t *testing.T) {
	moto := started(t, StartMoto)
	client := glue.New(glue.Options{
		Region: Region, BaseEndpoint: aws.String(moto.URL()), Credentials: credentials.NewStaticCredentialsProvider(Key, Secret, ""),
	})
	ctx := t.Context()
	if _, err := client.CreateDatabase(ctx, &glue.CreateDatabaseInput{DatabaseInput: &types.DatabaseInput{Name: aws.String("d")}}); err != nil {
		t.Fatal(err)
	}
	input := &types.TableInput{Name: aws.String("t")}
	if _, err := client.CreateTable(ctx, &glue.CreateTableInput{DatabaseName: aws.String("d"), TableInput: input}); err != nil {
		t.Fatal(err)
	}
	have, err := client.GetTable(ctx, &glue.GetTableInput{DatabaseName: aws.String("d"), Name: aws.String("t")})
	if err != nil {
		t.Fatal(err)
	}
	results := make([]error, 20)
	var racers errgroup.Group
	for i := range results {
		racers.Go(func() error {
			_, results[i] = client.UpdateTable(ctx, &glue.UpdateTableInput{
				DatabaseName: aws.String("d"), TableInput: input, VersionId: have.Table.VersionId,
			})
			return nil
		})
	}
	if err := racers.Wait(); err != nil {
		t.Fatal(err)
	}
	won := 0
	for _, err := range results {
		if _, lost := errors.AsType[*types.ConcurrentModificationException](err); err == nil {
			won++
		} else if !lost {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d updates of one version went through", won, len(results))
	}
	stats, err := client.GetColumnStatisticsForTable(ctx, &glue.GetColumnStatisticsForTableInput{
		DatabaseName: aws.String("d"), TableName: aws.String("t"), ColumnNames: []string{"c"},
	})
	if err != nil || len(stats.ColumnStatisticsList) != 0 {
		t.Errorf("column statistics: %v, %v", stats, err)
	}
}
