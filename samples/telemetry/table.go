package telemetry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/fleet"
)

// tableWait is how long a new table may take to become active; on AWS it is
// seconds, locally nothing.
const tableWait = 2 * time.Minute

// Table makes a DynamoDB table with string keys where it is absent, and waits
// until it can be used. An empty sortKey makes a table without one.
func (t *Telemetry) Table(ctx context.Context, name, hashKey, sortKey string) error {
	in := &dynamodb.CreateTableInput{TableName: &name, BillingMode: types.BillingModePayPerRequest}
	key := func(attribute string, role types.KeyType) {
		in.AttributeDefinitions = append(in.AttributeDefinitions,
			types.AttributeDefinition{AttributeName: &attribute, AttributeType: types.ScalarAttributeTypeS})
		in.KeySchema = append(in.KeySchema, types.KeySchemaElement{AttributeName: &attribute, KeyType: role})
	}
	key(hashKey, types.KeyTypeHash)
	if sortKey != "" {
		key(sortKey, types.KeyTypeRange)
	}
	db := dynamodb.NewFromConfig(t.Plain)
	made, err := db.CreateTable(ctx, in)
	if _, exists := errors.AsType[*types.ResourceInUseException](err); exists {
		return nil // an earlier run made it
	}
	if err != nil {
		return fmt.Errorf("create table %s: %w", name, err)
	}
	Wrote(t.Truth, fleet.ResourceName("AWS::DynamoDB::Table", name), made.ResultMetadata)
	if d := made.TableDescription; d != nil && d.TableStatus == types.TableStatusActive {
		return nil
	}
	err = dynamodb.NewTableExistsWaiter(db).Wait(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(name)}, tableWait)
	if err != nil {
		return fmt.Errorf("wait for table %s: %w", name, err)
	}
	return nil
}
