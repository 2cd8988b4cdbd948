package orders

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/samples/catalog"
	"muster/samples/faults"
	"muster/samples/telemetry"
)

// viewTable is the read side: each order as its events have made it.
const viewTable = "orders-view"

const (
	catalogKey = "catalog"
	// manyItems is how many items read one by one the policy n-plus-one calls
	// too many.
	manyItems = 10
)

// view answers reads. It follows the journal, and may be behind it.
type view struct {
	db     *dynamodb.Client
	faults faults.Set
}

// openView makes the table, and fills the catalogue outside of any trace.
func openView(ctx context.Context, t *telemetry.Telemetry, fs faults.Set) (*view, error) {
	if err := t.Table(ctx, viewTable, "order", ""); err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(t.Plain)
	for n := range catalog.Products {
		_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(Table), Item: item(catalogKey, catalog.SKU(n),
			map[string]types.AttributeValue{"title": &types.AttributeValueMemberS{Value: "Product " + strconv.Itoa(n)}})})
		if err != nil {
			return nil, fmt.Errorf("fill the catalogue: %w", err)
		}
	}
	return &view{db: dynamodb.NewFromConfig(t.Traced), faults: fs}, nil
}

// show makes the view show an order as it is now.
func (v *view) show(ctx context.Context, o Order) error {
	if o.Sequence > 1 && v.faults.Hits(faults.StaleRead, o.ID) {
		return nil // stays at its first event
	}
	o.Note = ""
	body, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("show order %s: %w", o.ID, err)
	}
	_, err = v.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(viewTable), Item: map[string]types.AttributeValue{
		"order":    &types.AttributeValueMemberS{Value: o.ID},
		"sequence": &types.AttributeValueMemberN{Value: strconv.Itoa(o.Sequence)},
		"document": &types.AttributeValueMemberS{Value: string(body)},
	}})
	if err != nil {
		return fmt.Errorf("show order %s: %w", o.ID, err)
	}
	return nil
}

// order is an order as the view has it; errAbsent where it has none.
func (v *view) order(ctx context.Context, id string) (Order, error) {
	got, err := v.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(viewTable), Key: map[string]types.AttributeValue{
		"order": &types.AttributeValueMemberS{Value: id},
	}})
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	if len(got.Item) == 0 {
		return Order{}, errAbsent
	}
	var o Order
	if err := json.Unmarshal([]byte(text(got.Item, "document")), &o); err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	return o, nil
}

// titles reads the whole catalogue in one Query.
func (v *view) titles(ctx context.Context) (map[string]string, error) {
	out := make(map[string]string, catalog.Products)
	pages := dynamodb.NewQueryPaginator(v.db, &dynamodb.QueryInput{
		TableName: aws.String(Table), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: catalogKey}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the catalogue: %w", err)
		}
		for _, it := range page.Items {
			out[text(it, "sk")] = text(it, "title")
		}
	}
	return out, nil
}

// titlesOneByOne reads the product of each line by its own GetItem: the fault
// "n plus one".
func (v *view) titlesOneByOne(ctx context.Context, lines []Line) (map[string]string, error) {
	out := make(map[string]string, len(lines))
	for _, l := range lines {
		got, err := v.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(Table), Key: item(catalogKey, l.SKU, nil)})
		if err != nil {
			return nil, fmt.Errorf("read product %s: %w", l.SKU, err)
		}
		out[l.SKU] = text(got.Item, "title")
	}
	return out, nil
}
