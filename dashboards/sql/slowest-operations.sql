-- Which operations are slowest, and how often do they run?
SELECT service, name, count(*) AS spans,
  approx_percentile(duration_us, 0.5) / 1000.0 AS p50_ms,
  approx_percentile(duration_us, 0.99) / 1000.0 AS p99_ms
FROM spans
GROUP BY service, name
ORDER BY p99_ms DESC, service, name
LIMIT 20
