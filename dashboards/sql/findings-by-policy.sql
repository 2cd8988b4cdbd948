-- What stands against the fleet? Findings that are not resolved, by policy,
-- severity and service, the worst first.
SELECT severity, policy, service, count(*) AS findings, min(first_seen) AS oldest, max(last_seen) AS newest
FROM findings
WHERE status <> 'resolved'
GROUP BY severity, policy, service
ORDER BY CASE severity WHEN 'critical' THEN 1 WHEN 'high' THEN 2 WHEN 'medium' THEN 3 WHEN 'low' THEN 4 ELSE 5 END,
  findings DESC, policy, service
