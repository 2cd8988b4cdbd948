-- Which journeys met an error, where first, and how far did they go?
SELECT correlation_id, min("time") AS began, count(*) AS records,
  count(DISTINCT nullif(trace_id, '')) AS traces,
  sum(CASE WHEN error <> '' THEN 1 ELSE 0 END) AS errors,
  min_by(service, time_us) FILTER (WHERE error <> '') AS first_service,
  min_by(error, time_us) FILTER (WHERE error <> '') AS first_error
FROM records
WHERE correlation_id <> ''
GROUP BY correlation_id
HAVING sum(CASE WHEN error <> '' THEN 1 ELSE 0 END) > 0
ORDER BY errors DESC, correlation_id
LIMIT 100
