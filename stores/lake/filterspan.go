package lake

import (
	"strconv"
	"strings"

	"muster/fleet"
)

// flagSQL are the keywords that are true or false; $ stands before a column.
var flagSQL = map[fleet.Keyword]string{
	fleet.KeyOK:       "($error = '' and not $unfinished and ($http_status = 0 or $http_status between 200 and 299))",
	fleet.KeyError:    "($error not in ('', 'fault') or $http_status between 400 and 499)",
	fleet.KeyFault:    "($error = 'fault' or $http_status between 500 and 599)",
	fleet.KeyThrottle: "($error = 'throttle' or $http_status = 429)",
	fleet.KeyPartial:  "$unfinished",
	fleet.KeyInferred: "$inferred",
	fleet.KeyRoot:     "$entry",
}

// keywordColumns are the columns of the keywords that are text.
var keywordColumns = map[fleet.Keyword]string{
	fleet.KeyHTTPURL: "http_url", fleet.KeyHTTPMethod: "http_method", fleet.KeyHTTPAgent: "user_agent",
	fleet.KeyHTTPClient: "source_ip", fleet.KeyUser: "user_id", fleet.KeyName: "node", fleet.KeyType: "origin",
	fleet.KeyMessage: "message", fleet.KeyAccount: "account", fleet.KeyOperation: "name",
}

// testSQL is one comparison of a span, whose columns begin with of. It is never
// null.
func testSQL(of string, t fleet.FilterTest) sqlText {
	switch {
	case t.Keyword.Values() == fleet.ValueFlag:
		return sqlOf(strings.ReplaceAll(flagSQL[t.Keyword], "$", of))
	case t.Keyword == fleet.KeyHTTPStatus:
		return sqlOf("(" + of + "http_status <> 0 and " + rangeSQL(of+"http_status", t) + ")")
	case t.Keyword.Values() == fleet.ValueNumber:
		return sqlOf("(not " + of + "unfinished and " + rangeSQL(of+"duration_us", t) + ")")
	case t.Keyword == fleet.KeyAnnotation:
		return annotationSQL(of, t)
	case t.Keyword == fleet.KeyResource:
		meets := compareSQL("v", t)
		return sqlText{"coalesce(element_at(filter(" + of + "resources, v -> v like 'arn:%' and " + meets.text + "), 1) <> '', false)", meets.args}
	}
	column := of + keywordColumns[t.Keyword]
	return sqlOf(column + " <> ''").and(compareSQL(column, t))
}

// rangeSQL is that a whole number meets a comparison.
func rangeSQL(number string, t fleet.FilterTest) string {
	if t.Op == fleet.OpSet {
		return "true"
	}
	low, high, outside := t.Range()
	not := ""
	if outside {
		not = " not"
	}
	return "(" + number + not + " between " + strconv.FormatInt(low, 10) + " and " + strconv.FormatInt(high, 10) + ")"
}

// compareSQL is that a text meets a comparison.
func compareSQL(column string, t fleet.FilterTest) sqlText {
	value, _ := t.Value.(string)
	escaped := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(value)
	like := column + ` like ? escape '\'`
	switch t.Op {
	case fleet.OpSet:
		return sqlOf("true")
	case fleet.OpEqual:
		return sqlOf(column+" = ?", value)
	case fleet.OpNotEqual:
		return sqlOf(column+" <> ?", value)
	case fleet.OpContains:
		return sqlOf(like, "%"+escaped+"%")
	case fleet.OpBeginsWith:
		return sqlOf(like, escaped+"%")
	case fleet.OpEndsWith:
		return sqlOf(like, "%"+escaped)
	}
	return sqlOf("false")
}

// annotationSQL is the comparison of an annotation, which is null when it is not
// there.
func annotationSQL(of string, t fleet.FilterTest) sqlText {
	key := fleet.AttrAnnotationPrefix + t.Key
	value := "element_at(" + of + "attributes, ?)"
	number, numeric := t.Value.(float64)
	switch {
	case t.Op == fleet.OpSet:
		return sqlOf("coalesce("+value+" <> 'false', false)", key)
	case !numeric:
		meets := compareSQL(value, t)
		return sqlText{"coalesce(" + meets.text + ", false)", append([]any{key}, meets.args...)}
	}
	op := string(t.Op)
	if t.Op == fleet.OpNotEqual {
		op = "<>"
	}
	return sqlOf("coalesce(case when regexp_like("+value+", '"+fleet.NumberPattern+"') then try_cast("+value+" as double) end "+
		op+" "+strconv.FormatFloat(number, 'E', -1, 64)+", false)", key, key)
}
