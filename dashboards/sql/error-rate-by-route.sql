-- What share of requests fails, by service and route? Requests that a service
-- answered; a 5xx or a fault counts as failed, a 4xx as the caller's error.
SELECT service, name AS route, count(*) AS requests,
  sum(CASE WHEN error <> '' AND (http_status < 400 OR http_status >= 500) THEN 1 ELSE 0 END) AS failed,
  sum(CASE WHEN http_status BETWEEN 400 AND 499 THEN 1 ELSE 0 END) AS refused,
  100.0 * sum(CASE WHEN error <> '' AND (http_status < 400 OR http_status >= 500) THEN 1 ELSE 0 END) / count(*) AS failed_percent
FROM spans
WHERE http_method <> ''
GROUP BY service, name
ORDER BY failed_percent DESC, requests DESC, service, route
