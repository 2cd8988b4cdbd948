package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"muster/samples/catalog"
	"muster/samples/faults"
	"muster/samples/telemetry"
	"muster/samples/truth"
)

const (
	table = "inventory"
	// stockKey is the partition of the products, so that one Query reads all.
	stockKey = "stock"
	// plenty is how many there are of each product: more than a run orders.
	plenty = 1_000_000
	// cacheFor is how long what was read of the stock is good for.
	cacheFor = time.Minute
)

// stock is the service's table behind a cache.
type stock struct {
	t      *telemetry.Telemetry
	db     *dynamodb.Client
	faults faults.Set

	mu     sync.Mutex
	cached map[string]int // quantity by product
	until  time.Time
}

func openStock(ctx context.Context, t *telemetry.Telemetry, fs faults.Set) (*stock, error) {
	if err := t.Table(ctx, table, "pk", "sk"); err != nil {
		return nil, err
	}
	db := dynamodb.NewFromConfig(t.Plain)
	for n := range catalog.Products {
		_, err := db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{
			"pk": &types.AttributeValueMemberS{Value: stockKey}, "sk": &types.AttributeValueMemberS{Value: catalog.SKU(n)},
			"quantity": &types.AttributeValueMemberN{Value: strconv.Itoa(plenty)},
		}})
		if err != nil {
			return nil, fmt.Errorf("fill the stock: %w", err)
		}
	}
	return &stock{t: t, db: dynamodb.NewFromConfig(t.Traced), faults: fs}, nil
}

// has refuses a reservation of more than there is.
func (s *stock) has(ctx context.Context, in Reservation) error {
	quantities, err := s.quantities(ctx, in.Order)
	if err != nil {
		return err
	}
	for sku, n := range in.Lines {
		if quantities[sku] < n {
			s.t.Log.WarnContext(ctx, "out of stock", "order", in.Order, "sku", sku, "wanted", n, "there", quantities[sku])
			return &telemetry.Refusal{Status: http.StatusConflict, Reason: "out of stock: " + sku}
		}
	}
	return nil
}

// quantities answers from the cache, and says on the trace whether it did.
func (s *stock) quantities(ctx context.Context, order string) (map[string]int, error) {
	s.mu.Lock()
	defer s.mu.Unlock() // who comes meanwhile waits for the one answer
	outcome := "hit"
	if time.Now().After(s.until) {
		outcome = "miss"
		if err := s.read(ctx); err != nil {
			return nil, err
		}
		if s.faults.On(faults.LowCacheHitRatio) {
			s.until = time.Time{}
			// The first would have been one anyway, and counts with the others.
			s.t.Label(ctx, faults.LowCacheHitRatio, order, truth.Label{})
		}
	}
	s.t.Log.InfoContext(ctx, "stock looked up", "order", order, "cache", outcome)
	return s.cached, s.t.Annotate(ctx, "cache", outcome)
}

// read fills the cache. The caller holds mu.
func (s *stock) read(ctx context.Context) error {
	cached := make(map[string]int, catalog.Products)
	pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{
		TableName: aws.String(table), KeyConditionExpression: aws.String("pk = :pk"),
		ExpressionAttributeValues: map[string]types.AttributeValue{":pk": &types.AttributeValueMemberS{Value: stockKey}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("read the stock: %w", err)
		}
		for _, item := range page.Items {
			sku, isText := item["sk"].(*types.AttributeValueMemberS)
			quantity, isNumber := item["quantity"].(*types.AttributeValueMemberN)
			if !isText || !isNumber {
				continue // no product
			}
			n, err := strconv.Atoi(quantity.Value)
			if err != nil {
				return fmt.Errorf("read the stock of %s: %w", sku.Value, err)
			}
			cached[sku.Value] = n
		}
	}
	s.cached, s.until = cached, time.Now().Add(cacheFor)
	return nil
}

// keep writes what became of a reservation.
func (s *stock) keep(ctx context.Context, in Reservation, status string) error {
	lines, err := json.Marshal(in.Lines)
	if err != nil {
		return fmt.Errorf("keep the reservation of %s: %w", in.Order, err)
	}
	_, err = s.db.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(table), Item: map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "reservation#" + in.Order}, "sk": &types.AttributeValueMemberS{Value: "reservation"},
		"status": &types.AttributeValueMemberS{Value: status}, "lines": &types.AttributeValueMemberS{Value: string(lines)},
	}})
	if err != nil {
		return fmt.Errorf("keep the reservation of %s: %w", in.Order, err)
	}
	return nil
}
