package localaws

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// maxTableItems bounds the items of one table, which AWS does not.
	maxTableItems = 200_000
	// maxItemBytes is AWS's limit for an item; counted here as its JSON.
	maxItemBytes = 400 << 10
	// maxPageBytes is how much Query and Scan look at for one page.
	maxPageBytes = 1 << 20
)

// table holds items by the hash key's value, and in order of the range key.
type table struct {
	name, arn, id string
	created       time.Time
	billing       string
	schema        []keyElement
	definitions   []attributeDefinition
	hash, sort    string // key attributes; sort is "" without a range key

	partitions map[string][]item
	count      int
	size       int // bytes of JSON
}

// item is a whole item, attribute values as clients send them.
type item map[string]attributeValue

// attributeValue is DynamoDB's typed JSON: {"S":"text"}. It has one entry: the
// type, and the value as it was sent.
type attributeValue map[string]json.RawMessage

// typeOf is the declared type of an attribute; "" for none.
func (t *table) typeOf(attribute string) string {
	for _, d := range t.definitions {
		if d.AttributeName == attribute {
			return d.AttributeType
		}
	}
	return ""
}

// keyNames are the attributes of the key.
func (t *table) keyNames() []string {
	if t.sort == "" {
		return []string{t.hash}
	}
	return []string{t.hash, t.sort}
}

// key cuts the key out of an item and checks its types.
func (t *table) key(i item) (item, error) {
	key := make(item, 2)
	for _, name := range t.keyNames() {
		v, ok := i[name]
		if !ok {
			return nil, invalid("One or more parameter values were invalid: Missing the key %s in the item", name)
		}
		if v.kind() != t.typeOf(name) || v.scalar() == "" {
			return nil, invalid("One or more parameter values were invalid: Type mismatch for key %s expected: %s actual: %s", name, t.typeOf(name), v.kind())
		}
		key[name] = v
	}
	return key, nil
}

// exactKey is key for something that must be a key and nothing else.
func (t *table) exactKey(i item) (item, error) {
	key, err := t.key(i)
	if err == nil && len(key) != len(i) {
		return nil, invalid("The provided key element does not match the schema")
	}
	return key, err
}

// get returns the item with a key, or nil.
func (t *table) get(key item) item {
	part := t.partitions[key[t.hash].scalar()]
	if i, ok := t.search(part, key); ok {
		return part[i]
	}
	return nil
}

func (t *table) search(part []item, key item) (int, bool) {
	return slices.BinarySearchFunc(part, key, t.compareSort)
}

// compareSort orders the items of a partition by the range key.
func (t *table) compareSort(a, b item) int {
	if t.sort == "" {
		return 0
	}
	return a[t.sort].compare(b[t.sort])
}

// put stores an item and returns the one that it replaces, or nil.
func (t *table) put(i item) (item, error) {
	size := i.size()
	if size > maxItemBytes {
		return nil, invalid("Item size has exceeded the maximum allowed size")
	}
	part := t.partitions[i[t.hash].scalar()]
	at, ok := t.search(part, i)
	if ok {
		old := part[at]
		part[at] = i
		t.size += size - old.size()
		return old, nil
	}
	if t.count >= maxTableItems {
		return nil, failf("LimitExceededException", "The stand-in's tables hold up to %d items.", maxTableItems)
	}
	t.partitions[i[t.hash].scalar()] = slices.Insert(part, at, i)
	t.count++
	t.size += size
	return nil, nil
}

func (i item) size() int {
	n := 0
	for name, v := range i {
		for kind, raw := range v {
			n += len(name) + len(kind) + len(raw)
		}
	}
	return n
}

// kind is the type of a value: "S", "N", "BOOL", …; "" for no value.
func (v attributeValue) kind() string {
	for kind := range v {
		return kind
	}
	return ""
}

// scalar is the value of a string, number or binary as text that is equal for
// equal values; "" for everything else.
func (v attributeValue) scalar() string {
	kind := v.kind()
	var text string
	if kind != "S" && kind != "N" && kind != "B" || json.Unmarshal(v[kind], &text) != nil {
		return ""
	}
	if kind == "N" {
		n, ok := parseNumber(text)
		if !ok {
			return ""
		}
		return n.RatString()
	}
	return text
}

const (
	// maxNumberExponent is the size of DynamoDB's numbers, in powers of ten.
	maxNumberExponent = 130
	// maxNumberLength, in bytes, has room for 38 digits and as many zeros as the
	// exponent allows.
	maxNumberLength = 200
)

// parseNumber reads a number within DynamoDB's limits. Without them a few bytes
// of exponent would be gigabytes of digits.
func parseNumber(text string) (*big.Rat, bool) {
	if len(text) > maxNumberLength || strings.ContainsAny(text, "/xX_pP") {
		return nil, false
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		n, err := strconv.Atoi(exponent)
		if err != nil || n < -maxNumberExponent || n > maxNumberExponent {
			return nil, false
		}
	}
	return new(big.Rat).SetString(text)
}

// compare orders two scalars of one type: numbers by value, the rest by bytes.
func (v attributeValue) compare(w attributeValue) int {
	a, b := v.scalar(), w.scalar()
	switch v.kind() {
	case "N":
		x, okX := new(big.Rat).SetString(a)
		y, okY := new(big.Rat).SetString(b)
		if okX && okY {
			return x.Cmp(y)
		}
	case "B":
		x, errX := base64.StdEncoding.DecodeString(a)
		y, errY := base64.StdEncoding.DecodeString(b)
		if errX == nil && errY == nil {
			return bytes.Compare(x, y)
		}
	}
	return cmp.Compare(a, b)
}

// equal reports whether two values are the same; other than scalars are
// compared as they were sent.
func (v attributeValue) equal(w attributeValue) bool {
	kind := v.kind()
	if kind != w.kind() {
		return false
	}
	if s := v.scalar(); s != "" {
		return s == w.scalar()
	}
	return bytes.Equal(v[kind], w[kind])
}

// hasPrefix reports whether a string begins with another.
func (v attributeValue) hasPrefix(w attributeValue) bool {
	return v.kind() == "S" && w.kind() == "S" && strings.HasPrefix(v.scalar(), w.scalar())
}
