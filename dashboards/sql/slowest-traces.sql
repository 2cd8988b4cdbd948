-- Which traces took longest, where did they begin, and what is in them?
SELECT trace_id, correlation_id, "time", service, name, duration_us / 1000.0 AS duration_ms,
  spans, logs, api_calls, changes, errors
FROM traces
WHERE spans > 0
ORDER BY duration_us DESC, trace_id
LIMIT 50
