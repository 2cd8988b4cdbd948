package localaws

import (
	"context"
	"sync"
	"time"
)

// tables is DynamoDB: tables with a hash and perhaps a range key, whole items,
// and of its expressions what expression.go says. Safe for concurrent use.
type tables struct {
	s *Server

	mu  sync.Mutex
	all map[string]*table // by ARN; the tables too are guarded by mu
}

func newTables(s *Server) *tables { return &tables{s: s, all: make(map[string]*table)} }

func (ts *tables) operations() map[string]operation {
	return map[string]operation{
		"CreateTable":   ts.create,
		"DescribeTable": ts.describe,
		"DeleteTable":   ts.delete,
		"PutItem":       ts.putItem,
		"GetItem":       ts.getItem,
		"UpdateItem":    ts.updateItem,
		"Query":         ts.query,
		"Scan":          ts.scan,
	}
}

// keyElement is one part of a table's key; KeyType is HASH or RANGE.
type keyElement struct{ AttributeName, KeyType string }

// attributeDefinition gives the type of a key's attribute: S, N or B.
type attributeDefinition struct{ AttributeName, AttributeType string }

type createTableInput struct {
	TableName            string
	KeySchema            []keyElement
	AttributeDefinitions []attributeDefinition
	BillingMode          string
	unsupported
}

// tableDescription is what AWS tells about a table.
type tableDescription struct {
	TableName            string
	TableArn             string
	TableID              string `json:"TableId"`
	TableStatus          string
	CreationDateTime     timestamp
	KeySchema            []keyElement
	AttributeDefinitions []attributeDefinition
	BillingModeSummary   map[string]string
	ItemCount            int
	TableSizeBytes       int
}

func (ts *tables) create(_ context.Context, c *call) (any, error) {
	var in createTableInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.touch("AWS::DynamoDB::Table", c.arn("table/"+in.TableName))
	params := in.recorded()
	c.record(params, nil)
	t, err := newTable(in, c.arn("table/"+in.TableName), c.Time)
	if err != nil {
		return nil, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.all[t.arn] != nil {
		return nil, failf("ResourceInUseException", "Table already exists: %s", in.TableName)
	}
	ts.all[t.arn] = t
	ts.s.config.changed(c, t.resource(), t.describe("ACTIVE"))
	c.record(params, map[string]any{"tableDescription": map[string]any{
		"tableName": t.name, "tableArn": t.arn, "tableId": t.id, "tableStatus": "CREATING",
	}})
	return map[string]any{"TableDescription": t.describe("CREATING")}, nil
}

// recorded is the request as CloudTrail shows it.
func (in createTableInput) recorded() map[string]any {
	schema, definitions := []map[string]string{}, []map[string]string{}
	for _, k := range in.KeySchema {
		schema = append(schema, map[string]string{"attributeName": k.AttributeName, "keyType": k.KeyType})
	}
	for _, d := range in.AttributeDefinitions {
		definitions = append(definitions, map[string]string{"attributeName": d.AttributeName, "attributeType": d.AttributeType})
	}
	return map[string]any{
		"tableName": in.TableName, "keySchema": schema, "attributeDefinitions": definitions, "billingMode": in.BillingMode,
	}
}

func (ts *tables) describe(_ context.Context, c *call) (any, error) {
	t, err := ts.named(c)
	if err != nil {
		return nil, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return map[string]any{"Table": t.describe("ACTIVE")}, nil
}

func (ts *tables) delete(_ context.Context, c *call) (any, error) {
	t, err := ts.named(c)
	if err != nil {
		return nil, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	delete(ts.all, t.arn)
	ts.s.config.deleted(c, t.resource())
	return map[string]any{"TableDescription": t.describe("DELETING")}, nil
}

// named returns the table that a request names and nothing more of it.
func (ts *tables) named(c *call) (*table, error) {
	var in struct{ TableName string }
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	return ts.find(c, in.TableName)
}

// find returns a table and marks it as touched.
func (ts *tables) find(c *call, name string) (*table, error) {
	arn := c.arn("table/" + name)
	c.touch("AWS::DynamoDB::Table", arn)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	t := ts.all[arn]
	if t == nil {
		return nil, failf("ResourceNotFoundException", "Requested resource not found: Table: %s not found", name)
	}
	return t, nil
}

func newTable(in createTableInput, arn string, created time.Time) (*table, error) {
	if !tableName.allows(in.TableName) {
		return nil, invalid("TableName must be 3 to 255 letters, digits, '_', '-' and '.'")
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	t := &table{
		name: in.TableName, arn: arn, id: newUUID(), created: created, billing: in.BillingMode,
		definitions: in.AttributeDefinitions, schema: in.KeySchema, partitions: make(map[string][]item),
	}
	for _, key := range in.KeySchema {
		switch key.KeyType {
		case "HASH":
			t.hash = key.AttributeName
		case "RANGE":
			t.sort = key.AttributeName
		}
		if t.typeOf(key.AttributeName) == "" {
			return nil, invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions")
		}
	}
	if t.hash == "" {
		return nil, invalid("One or more parameter values were invalid: No Hash Key specified in schema")
	}
	return t, nil
}

func (t *table) describe(status string) tableDescription {
	return tableDescription{
		TableName: t.name, TableArn: t.arn, TableID: t.id, TableStatus: status, CreationDateTime: timestamp{t.created},
		KeySchema: t.schema, AttributeDefinitions: t.definitions,
		BillingModeSummary: map[string]string{"BillingMode": t.billing}, ItemCount: t.count, TableSizeBytes: t.size,
	}
}

func (t *table) resource() resource {
	return resource{"AWS::DynamoDB::Table", t.name, t.name, t.arn}
}

func invalid(format string, args ...any) *apiError {
	return failf("ValidationException", format, args...)
}
