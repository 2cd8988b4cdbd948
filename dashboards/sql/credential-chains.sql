-- Who handed out which temporary key, and what was it used for? Each row is one
-- call that issued a key, with the calls that were made with it.
SELECT i."time" AS issued, coalesce(nullif(i.origin, ''), i.principal) AS issuer, i.event_name AS issued_by,
  i.issued_key_id AS key_id, u.principal AS used_by, count(*) AS calls,
  count(DISTINCT u.source_ip) AS addresses, max(u."time") AS last_used
FROM api_calls i
JOIN api_calls u ON u.access_key_id = i.issued_key_id
WHERE i.issued_key_id <> ''
GROUP BY i.id, i."time", coalesce(nullif(i.origin, ''), i.principal), i.event_name, i.issued_key_id, u.principal
ORDER BY calls DESC, key_id, used_by
LIMIT 100
