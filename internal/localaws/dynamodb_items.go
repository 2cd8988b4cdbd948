package localaws

import (
	"context"
	"maps"
	"slices"
)

// unsupported are parameters that would change the answer and that the
// stand-in does not know. They are refused, never ignored.
type unsupported struct {
	FilterExpression       any
	ProjectionExpression   any
	IndexName              any
	KeyConditions          any
	Expected               any
	AttributesToGet        any
	AttributeUpdates       any
	Select                 any
	TotalSegments          any
	GlobalSecondaryIndexes any
	LocalSecondaryIndexes  any
}

func (u unsupported) check() error {
	if u != (unsupported{}) {
		return invalid("The stand-in knows neither filters, projections, indexes nor legacy parameters.")
	}
	return nil
}

// expressionInput is what every item operation may have.
type expressionInput struct {
	unsupported
	TableName                 string
	ConditionExpression       string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues map[string]attributeValue
	ReturnValues              string
}

func (in *expressionInput) expression() expression {
	return expression{names: in.ExpressionAttributeNames, values: in.ExpressionAttributeValues}
}

// begin finds the table and reads the condition of a request.
func (ts *tables) begin(c *call, in *expressionInput) (*table, []test, error) {
	t, err := ts.find(c, in.TableName)
	if err != nil {
		return nil, nil, err
	}
	if err := in.check(); err != nil {
		return nil, nil, err
	}
	if in.ConditionExpression == "" {
		return t, nil, nil
	}
	tests, err := in.expression().conditions(in.ConditionExpression)
	return t, tests, err
}

// meets reports whether an item meets all tests, as the error that it is if not.
func meets(i item, tests []test) error {
	for _, t := range tests {
		if !t.holds(i) {
			return failf("ConditionalCheckFailedException", "The conditional request failed")
		}
	}
	return nil
}

// putItem stores an item. The event shows the key's values and the names of the
// other attributes, as AWS does.
func (ts *tables) putItem(_ context.Context, c *call) (any, error) {
	var in struct {
		expressionInput
		Item item
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"tableName": in.TableName}, nil)
	t, tests, err := ts.begin(c, &in.expressionInput)
	if err != nil {
		return nil, err
	}
	key, err := t.key(in.Item)
	if err != nil {
		return nil, err
	}
	c.record(map[string]any{
		"tableName": in.TableName, "key": key.plain(), "item": slices.Sorted(maps.Keys(in.Item)),
	}, nil)
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if err := meets(t.get(key), tests); err != nil {
		return nil, err
	}
	old, err := t.put(in.Item)
	if err != nil {
		return nil, err
	}
	if in.ReturnValues == "ALL_OLD" && old != nil {
		return map[string]any{"Attributes": old}, nil
	}
	return nil, nil
}

// plain is a key as CloudTrail shows it: values without their types.
func (i item) plain() map[string]string {
	out := make(map[string]string, len(i))
	for name, v := range i {
		out[name] = v.scalar()
	}
	return out
}

func (ts *tables) getItem(_ context.Context, c *call) (any, error) {
	var in struct {
		expressionInput
		Key item
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"tableName": in.TableName, "key": in.Key.plain()}, nil)
	t, _, err := ts.begin(c, &in.expressionInput)
	if err != nil {
		return nil, err
	}
	key, err := t.exactKey(in.Key)
	if err != nil {
		return nil, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if i := t.get(key); i != nil {
		return map[string]any{"Item": i}, nil
	}
	return nil, nil
}

// updateItem sets attributes of an item, which is made if it is not there.
func (ts *tables) updateItem(_ context.Context, c *call) (any, error) {
	var in struct {
		expressionInput
		Key              item
		UpdateExpression string
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"tableName": in.TableName, "key": in.Key.plain(), "updateExpression": in.UpdateExpression}, nil)
	t, tests, err := ts.begin(c, &in.expressionInput)
	if err != nil {
		return nil, err
	}
	key, err := t.exactKey(in.Key)
	if err != nil {
		return nil, err
	}
	changes, err := in.expression().assignments(in.UpdateExpression)
	if err != nil {
		return nil, err
	}
	for _, name := range t.keyNames() {
		if _, ok := changes[name]; ok {
			return nil, invalid("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", name)
		}
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	old := t.get(key)
	if err := meets(old, tests); err != nil {
		return nil, err
	}
	updated := maps.Clone(key) // items are never changed in place: answers hold them
	maps.Copy(updated, old)
	maps.Copy(updated, changes)
	if _, err := t.put(updated); err != nil {
		return nil, err
	}
	switch {
	case in.ReturnValues == "ALL_NEW":
		return map[string]any{"Attributes": updated}, nil
	case in.ReturnValues == "ALL_OLD" && old != nil:
		return map[string]any{"Attributes": old}, nil
	}
	return nil, nil
}
