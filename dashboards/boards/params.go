package main

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

// params are the visualization's looks.
func (p panel) params() map[string]any {
	switch p.kind {
	case "table":
		return map[string]any{
			"perPage": 10, "showPartialRows": false, "showMetricsAtAllLevels": false, "showTotal": false,
			"totalFunc": "sum", "percentageCol": "", "sort": map[string]any{"columnIndex": nil, "direction": nil},
		}
	case "metric":
		return map[string]any{
			"addTooltip": true, "addLegend": false, "type": "metric",
			"metric": map[string]any{
				"percentageMode": false, "useRanges": false, "colorSchema": "Green to Red", "metricColorMode": "None",
				"colorsRange": []any{map[string]any{"from": 0, "to": 10000}}, "labels": map[string]any{"show": true},
				"invertColors": false,
				"style":        map[string]any{"bgFill": "#000", "bgColor": false, "labelColor": false, "subText": "", "fontSize": 36},
			},
		}
	case "pie":
		return map[string]any{
			"type": "pie", "addTooltip": true, "addLegend": true, "legendPosition": "right", "isDonut": true,
			"labels": map[string]any{"show": false, "values": true, "last_level": true, "truncate": 100},
		}
	default:
		return p.axes()
	}
}

// axes are the looks of what has two axes: lines, bars.
func (p panel) axes() map[string]any {
	var series []any
	for i, a := range p.aggs {
		if a.Schema != metric {
			continue
		}
		mode := "normal"
		if p.kind == "histogram" {
			mode = "stacked"
		}
		series = append(series, map[string]any{
			"show": true, "type": p.kind, "mode": mode, "valueAxis": "ValueAxis-1", "drawLinesBetweenPoints": true,
			"lineWidth": 2, "interpolate": "linear", "showCircles": true,
			"data": map[string]any{"id": itoa(i + 1), "label": a.Params["customLabel"]},
		})
	}
	return map[string]any{
		"type": p.kind, "grid": map[string]any{"categoryLines": false}, "addTooltip": true, "addLegend": true,
		"legendPosition": "right", "times": []any{}, "addTimeMarker": false, "labels": map[string]any{"show": false},
		"thresholdLine": map[string]any{"show": false, "value": 10, "width": 1, "style": "full", "color": "#E7664C"},
		"categoryAxes": []any{map[string]any{
			"id": "CategoryAxis-1", "type": "category", "position": "bottom", "show": true, "style": map[string]any{},
			"scale": map[string]any{"type": "linear"}, "labels": map[string]any{"show": true, "filter": true, "truncate": 100},
			"title": map[string]any{},
		}},
		"valueAxes": []any{map[string]any{
			"id": "ValueAxis-1", "name": "LeftAxis-1", "type": "value", "position": "left", "show": true,
			"style": map[string]any{}, "scale": map[string]any{"type": "linear", "mode": "normal"},
			"labels": map[string]any{"show": true, "rotate": 0, "filter": false, "truncate": 100},
			"title":  map[string]any{"text": p.aggs[0].Params["customLabel"]},
		}},
		"seriesParams": series,
	}
}
