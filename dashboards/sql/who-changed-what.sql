-- Who changed what? Every API call that writes outside the data of the fleet's
-- own requests, newest first, with the resources that it named.
SELECT "time", coalesce(nullif(origin, ''), principal) AS who, source_ip, event_name, resources, error
FROM api_calls
WHERE NOT read_only AND trace_id = ''
ORDER BY time_us DESC, id
LIMIT 200
