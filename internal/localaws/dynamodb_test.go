package localaws

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func number(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }

// newTestTable makes a table "orders" with the keys pk, a string, and n, a number.
func newTestTable(t *testing.T) (*Server, *dynamodb.Client) {
	t.Helper()
	s := start(t, Options{})
	client := dynamodb.NewFromConfig(client(t, s, "AKIDWRITER"))
	out, err := client.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: aws.String("orders"), BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("n"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("n"), AttributeType: types.ScalarAttributeTypeN},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.TableDescription.TableStatus != types.TableStatusCreating {
		t.Errorf("the new table is %s", out.TableDescription.TableStatus)
	}
	return s, client
}

func put(t *testing.T, client *dynamodb.Client, items ...map[string]types.AttributeValue) {
	t.Helper()
	for _, i := range items {
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("orders"), Item: i}); err != nil {
			t.Fatal(err)
		}
	}
}

// anyField lets cmp look into the SDK's types, which have an unexported mark.
var anyField = cmp.Exporter(func(reflect.Type) bool { return true })

// numbers are the range keys of items.
func numbers(items []map[string]types.AttributeValue) []string {
	var out []string
	for _, i := range items {
		out = append(out, i["n"].(*types.AttributeValueMemberN).Value)
	}
	return out
}

func TestItemComesBackAsItWasPut(t *testing.T) {
	_, client := newTestTable(t)
	want := map[string]types.AttributeValue{
		"pk": text("a"), "n": number("1.50"), "ok": &types.AttributeValueMemberBOOL{Value: true},
		"lines": &types.AttributeValueMemberL{Value: []types.AttributeValue{
			&types.AttributeValueMemberM{Value: map[string]types.AttributeValue{"sku": text("<&>")}},
		}},
		"blob": &types.AttributeValueMemberB{Value: []byte{0, 255}},
	}
	put(t, client, want)
	// 1.5 is the same number as 1.50.
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("orders"), Key: map[string]types.AttributeValue{"pk": text("a"), "n": number("1.5")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, out.Item, anyField); d != "" {
		t.Errorf("the item (-want +got):\n%s", d)
	}
	missing, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("orders"), Key: map[string]types.AttributeValue{"pk": text("b"), "n": number("1")},
	})
	if err != nil || missing.Item != nil {
		t.Errorf("no item is %v, %v", missing.Item, err)
	}
}

func TestConditionalPutRefusesASecondItem(t *testing.T) {
	_, client := newTestTable(t)
	in := &dynamodb.PutItemInput{
		TableName: aws.String("orders"), Item: map[string]types.AttributeValue{"pk": text("a"), "n": number("1")},
		ConditionExpression: aws.String("attribute_not_exists(#key)"), ExpressionAttributeNames: map[string]string{"#key": "pk"},
	}
	if _, err := client.PutItem(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	var failed *types.ConditionalCheckFailedException
	if _, err := client.PutItem(t.Context(), in); !errors.As(err, &failed) {
		t.Errorf("the second put: %v", err)
	}
}

func TestQueryAnswersOnePartitionInOrder(t *testing.T) {
	_, client := newTestTable(t)
	for _, n := range []string{"10", "9", "-1", "2.5"} {
		put(t, client, map[string]types.AttributeValue{"pk": text("a"), "n": number(n)}, map[string]types.AttributeValue{"pk": text("b"), "n": number(n)})
	}
	values := map[string]types.AttributeValue{":pk": text("a"), ":n": number("9.0")}
	for _, tt := range []struct {
		condition string
		forward   bool
		want      []string
	}{
		{"pk = :pk", true, []string{"-1", "2.5", "9", "10"}},
		{"(#pk = :pk)", false, []string{"10", "9", "2.5", "-1"}},
		{"(n = :n) AND (pk = :pk)", true, []string{"9"}},
	} {
		in := &dynamodb.QueryInput{
			TableName: aws.String("orders"), KeyConditionExpression: &tt.condition, ScanIndexForward: &tt.forward,
			ExpressionAttributeNames: map[string]string{"#pk": "pk"}, ExpressionAttributeValues: values, Limit: aws.Int32(3),
		}
		var got []string
		for pages := dynamodb.NewQueryPaginator(client, in); pages.HasMorePages(); {
			page, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, numbers(page.Items)...)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("Query(%s) (-want +got):\n%s", tt.condition, d)
		}
	}
}

func TestScanPagesOverEverything(t *testing.T) {
	_, client := newTestTable(t)
	for n := range 25 {
		put(t, client, map[string]types.AttributeValue{"pk": text(fmt.Sprint(n % 4)), "n": number(fmt.Sprint(n))})
	}
	seen := make(map[string]int)
	for pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: aws.String("orders"), Limit: aws.Int32(7)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range numbers(page.Items) {
			seen[n]++
		}
	}
	if len(seen) != 25 {
		t.Errorf("the scan saw %d items, want 25", len(seen))
	}
	for n, times := range seen {
		if times != 1 {
			t.Errorf("the scan saw item %s %d times", n, times)
		}
	}
}

func TestUpdateItemSets(t *testing.T) {
	_, client := newTestTable(t)
	key := map[string]types.AttributeValue{"pk": text("a"), "n": number("1")}
	in := &dynamodb.UpdateItemInput{
		TableName: aws.String("orders"), Key: key, ReturnValues: types.ReturnValueAllNew,
		UpdateExpression:          aws.String("SET #status = :s, paid=:p"),
		ExpressionAttributeNames:  map[string]string{"#status": "status"},
		ExpressionAttributeValues: map[string]types.AttributeValue{":s": text("paid"), ":p": &types.AttributeValueMemberBOOL{Value: true}},
	}
	out, err := client.UpdateItem(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]types.AttributeValue{
		"pk": text("a"), "n": number("1"), "status": text("paid"), "paid": &types.AttributeValueMemberBOOL{Value: true},
	}
	if d := cmp.Diff(want, out.Attributes, anyField); d != "" {
		t.Errorf("the updated item (-want +got):\n%s", d)
	}
	in.ConditionExpression = aws.String("#status = :p")
	var failed *types.ConditionalCheckFailedException
	if _, err := client.UpdateItem(t.Context(), in); !errors.As(err, &failed) {
		t.Errorf("an update whose condition fails: %v", err)
	}
}

func TestTableIsDescribedAndDeleted(t *testing.T) {
	_, client := newTestTable(t)
	put(t, client, map[string]types.AttributeValue{"pk": text("a"), "n": number("1")})
	out, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("orders")})
	if err != nil {
		t.Fatal(err)
	}
	if out.Table.TableStatus != types.TableStatusActive || *out.Table.ItemCount != 1 {
		t.Errorf("the table is %s with %d items", out.Table.TableStatus, *out.Table.ItemCount)
	}
	if _, err := client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("orders")}); err != nil {
		t.Fatal(err)
	}
	var missing *types.ResourceNotFoundException
	if _, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("orders")}); !errors.As(err, &missing) {
		t.Errorf("the deleted table: %v", err)
	}
}

func TestDynamoDBRefusesWhatItDoesNotKnow(t *testing.T) {
	_, client := newTestTable(t)
	values := map[string]types.AttributeValue{":v": text("a")}
	for _, expression := range []string{
		"pk > :v", "pk = :w", "pk", "pk = :v OR pk = :v", "(pk = :v", "n = :v", "begins_with(pk, :v)", "pk = :v)", "#x = :v",
	} {
		_, err := client.Query(t.Context(), &dynamodb.QueryInput{
			TableName: aws.String("orders"), KeyConditionExpression: &expression, ExpressionAttributeValues: values,
		})
		wantCode(t, err, "ValidationException")
	}
	_, err := client.Scan(t.Context(), &dynamodb.ScanInput{
		TableName: aws.String("orders"), FilterExpression: aws.String("pk = :v"), ExpressionAttributeValues: values,
	})
	wantCode(t, err, "ValidationException")
	_, err = client.PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: aws.String("orders"), Item: map[string]types.AttributeValue{"pk": number("1"), "n": number("1")},
	})
	wantCode(t, err, "ValidationException")
	_, err = client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String("orders"), Key: map[string]types.AttributeValue{"pk": text("a"), "n": number("1")},
		UpdateExpression: aws.String("REMOVE pk"),
	})
	wantCode(t, err, "ValidationException")
}

func FuzzConditions(f *testing.F) {
	for _, seed := range []string{"pk = :v", "(#a = :v) AND begins_with(sk, :v)", "attribute_not_exists(pk)", "((", "a = :v AND"} {
		f.Add(seed)
	}
	x := expression{names: map[string]string{"#a": "pk"}, values: map[string]attributeValue{":v": {"S": []byte(`"v"`)}}}
	f.Fuzz(func(t *testing.T, condition string) {
		tests, err := x.conditions(condition)
		if err == nil && len(tests) == 0 {
			t.Errorf("the condition %q has no terms and no error", condition)
		}
		for _, test := range tests {
			test.holds(nil)
		}
	})
}

func TestNumbersHaveLimits(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string // "" for no number
	}{
		{"1.50", "3/2"},
		{"-0", "0"},
		{"1E2", "100"},
		{"5e-1", "1/2"},
		{"1e999999999", ""},
		{"1e-131", ""},
		{"1e", ""},
		{"1/3", ""},
		{"0x10", ""},
		{"", ""},
		{strings.Repeat("9", 201), ""},
	} {
		got := ""
		if n, ok := parseNumber(tt.text); ok {
			got = n.RatString()
		}
		if got != tt.want {
			t.Errorf("parseNumber(%q) = %s, want %s", tt.text, got, tt.want)
		}
	}
}
