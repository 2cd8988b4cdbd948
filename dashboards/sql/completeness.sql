-- How completely was each stream read? Windows by coverage, with the reason for
-- what is missing.
SELECT stream, coverage, reason, count(*) AS windows, sum(records) AS records,
  max(window_end_us) AS complete_to_us
FROM ledger
GROUP BY stream, coverage, reason
ORDER BY stream, coverage, reason
