package orders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/samples/telemetry"
)

// Table is the service's own table: orders under "order#<id>", and the
// catalogue of products under one key, so that one Query reads it whole.
const Table = "orders"

const (
	catalogKey = "catalog"
	orderSort  = "order"
	// manyItems is how many items read one by one the policy n-plus-one calls
	// too many.
	manyItems = 10
)

// Products is the size of the catalogue. An order of more than 20 products
// makes the X-Ray SDK stream its subsegments when they are read one by one.
const Products = 24

// SKU is the n-th product, from 0 to Products-1.
func SKU(n int) string { return fmt.Sprintf("sku-%02d", n) }

var (
	errExists = errors.New("the order exists")
	errAbsent = errors.New("no such order")
)

type store struct {
	db *dynamodb.Client
}

// openStore makes the table and fills the catalogue, outside of any trace.
func openStore(ctx context.Context, t *telemetry.Telemetry) (*store, error) {
	if err := t.Table(ctx, Table, "pk", "sk"); err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(t.Plain)
	for n := range Products {
		_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(Table), Item: item(catalogKey, SKU(n),
			map[string]types.AttributeValue{"title": &types.AttributeValueMemberS{Value: "Product " + strconv.Itoa(n)}})})
		if err != nil {
			return nil, fmt.Errorf("fill the catalogue: %w", err)
		}
	}
	return &store{db: dynamodb.NewFromConfig(t.Traced)}, nil
}

// put writes an order. A new one must not exist: errExists.
func (s *store) put(ctx context.Context, o Order, isNew bool) error {
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return fmt.Errorf("write order %s: %w", o.ID, err)
	}
	in := &dynamodb.PutItemInput{TableName: aws.String(Table), Item: item("order#"+o.ID, orderSort,
		map[string]types.AttributeValue{
			"customer": &types.AttributeValueMemberS{Value: o.Customer},
			"cents":    &types.AttributeValueMemberN{Value: strconv.Itoa(o.Cents)},
			"method":   &types.AttributeValueMemberS{Value: o.Method},
			"status":   &types.AttributeValueMemberS{Value: o.Status},
			"lines":    &types.AttributeValueMemberS{Value: string(lines)},
		})}
	if isNew {
		in.ConditionExpression = aws.String("attribute_not_exists(pk)")
	}
	_, err = s.db.PutItem(ctx, in)
	if _, exists := errors.AsType[*types.ConditionalCheckFailedException](err); exists {
		return errExists
	}
	if err != nil {
		return fmt.Errorf("write order %s: %w", o.ID, err)
	}
	return nil
}

// order reads an order without its titles; errAbsent where there is none.
func (s *store) order(ctx context.Context, id string) (Order, error) {
	got, err := s.one(ctx, "order#"+id, orderSort)
	if err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	o := Order{ID: id, Customer: text(got, "customer"), Method: text(got, "method"), Status: text(got, "status")}
	if n, ok := got["cents"].(*types.AttributeValueMemberN); ok {
		if o.Cents, err = strconv.Atoi(n.Value); err != nil {
			return Order{}, fmt.Errorf("read order %s: %w", id, err)
		}
	}
	if err := json.Unmarshal([]byte(text(got, "lines")), &o.Lines); err != nil {
		return Order{}, fmt.Errorf("read order %s: %w", id, err)
	}
	return o, nil
}

// titles reads the whole catalogue in one Query.
func (s *store) titles(ctx context.Context) (map[string]string, error) {
	out := make(map[string]string, Products)
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
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
func (s *store) titlesOneByOne(ctx context.Context, lines []Line) (map[string]string, error) {
	out := make(map[string]string, len(lines))
	for _, l := range lines {
		got, err := s.one(ctx, catalogKey, l.SKU)
		if err != nil {
			return nil, fmt.Errorf("read product %s: %w", l.SKU, err)
		}
		out[l.SKU] = text(got, "title")
	}
	return out, nil
}

func (s *store) one(ctx context.Context, pk, sk string) (map[string]types.AttributeValue, error) {
	got, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: aws.String(Table), Key: item(pk, sk, nil)})
	if err != nil {
		return nil, err
	}
	if len(got.Item) == 0 {
		return nil, errAbsent
	}
	return got.Item, nil
}

// item is a key with further attributes.
func item(pk, sk string, rest map[string]types.AttributeValue) map[string]types.AttributeValue {
	out := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: pk},
		"sk": &types.AttributeValueMemberS{Value: sk},
	}
	maps.Copy(out, rest)
	return out
}

// text is a string attribute; "" where it is absent.
func text(item map[string]types.AttributeValue, name string) string {
	if s, ok := item[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
