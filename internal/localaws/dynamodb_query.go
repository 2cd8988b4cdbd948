package localaws

import (
	"context"
	"maps"
	"slices"
)

// pageInput is what Query and Scan have in common.
type pageInput struct {
	expressionInput
	Limit             *int
	ExclusiveStartKey item
}

// query answers the items of one partition, in order of the range key.
func (ts *tables) query(_ context.Context, c *call) (any, error) {
	var in struct {
		pageInput
		KeyConditionExpression string
		ScanIndexForward       *bool
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"tableName": in.TableName, "keyConditionExpression": in.KeyConditionExpression}, nil)
	t, _, err := ts.begin(c, &in.expressionInput)
	if err != nil {
		return nil, err
	}
	tests, err := in.expression().conditions(in.KeyConditionExpression)
	if err != nil {
		return nil, err
	}
	hash, err := t.queriedHash(tests)
	if err != nil {
		return nil, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	found := slices.DeleteFunc(slices.Clone(t.partitions[hash]), func(i item) bool { return meets(i, tests) != nil })
	if in.ScanIndexForward != nil && !*in.ScanIndexForward {
		slices.Reverse(found)
	}
	return t.page(found, in.pageInput)
}

// queriedHash is the one value of the hash key that a query asks for.
func (t *table) queriedHash(tests []test) (string, error) {
	hash := ""
	for _, x := range tests {
		switch {
		case x.name == t.hash && x.operator == "=" && x.value.kind() == t.typeOf(t.hash):
			hash = x.value.scalar()
		case x.name == t.sort && (x.operator == "=" || x.operator == "begins_with"):
		default:
			return "", invalid("Query key condition not supported")
		}
	}
	if hash == "" {
		return "", invalid("Query condition missed key schema element: %s", t.hash)
	}
	return hash, nil
}

// scan answers all items, in an order that stays the same.
func (ts *tables) scan(_ context.Context, c *call) (any, error) {
	var in pageInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	c.record(map[string]any{"tableName": in.TableName}, nil)
	t, _, err := ts.begin(c, &in.expressionInput)
	if err != nil {
		return nil, err
	}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	all := make([]item, 0, t.count)
	for _, hash := range slices.Sorted(maps.Keys(t.partitions)) {
		all = append(all, t.partitions[hash]...)
	}
	return t.page(all, in)
}

// page cuts one page out of items in their order: after the start key, at most
// Limit items and maxPageBytes. The last item's key tells where to go on.
func (t *table) page(items []item, in pageInput) (any, error) {
	if in.Limit != nil && *in.Limit < 1 {
		return nil, invalid("Limit must be at least 1")
	}
	if in.ExclusiveStartKey != nil {
		start, err := t.exactKey(in.ExclusiveStartKey)
		if err != nil {
			return nil, invalid("The provided starting key is invalid")
		}
		at := slices.IndexFunc(items, func(i item) bool { return t.sameKey(i, start) })
		if at < 0 { // no operation here removes items
			return nil, invalid("The provided starting key is invalid")
		}
		items = items[at+1:]
	}
	page, size := []item{}, 0
	for _, i := range items {
		page = append(page, i)
		size += i.size()
		if in.Limit != nil && len(page) == *in.Limit || size >= maxPageBytes {
			break
		}
	}
	answer := map[string]any{"Items": page, "Count": len(page), "ScannedCount": len(page)}
	if len(page) < len(items) || in.Limit != nil && len(page) == *in.Limit {
		last, err := t.key(page[len(page)-1])
		if err != nil {
			return nil, err
		}
		answer["LastEvaluatedKey"] = last
	}
	return answer, nil
}

func (t *table) sameKey(a, b item) bool {
	return a[t.hash].equal(b[t.hash]) && t.compareSort(a, b) == 0
}
