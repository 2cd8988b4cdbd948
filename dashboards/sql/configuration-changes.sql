-- Which resources changed their configuration, and by whom as far as the join
-- knows? via says how the change was tied to an API call, sure how certainly.
SELECT "time", name AS change, element_at(resources, 1) AS resource, principal,
  request_id, request_via AS via, request_sure AS sure
FROM changes
ORDER BY time_us DESC, id
LIMIT 200
