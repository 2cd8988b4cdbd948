-- Which API calls belong to no trace: people, scripts, and code that is not
-- instrumented? Grouped by who is behind them and from where.
SELECT coalesce(nullif(origin, ''), principal) AS who, source_ip, event_source, event_name,
  count(*) AS calls, max("time") AS last_seen
FROM api_calls
WHERE trace_id = ''
GROUP BY coalesce(nullif(origin, ''), principal), source_ip, event_source, event_name
ORDER BY calls DESC, who, event_source, event_name
