-- How was the evidence joined? By kind, and by the rung and certainty of the
-- trace. An empty rung is evidence that belongs to no trace.
SELECT kind, trace_via AS via, trace_sure AS sure, count(*) AS records
FROM records
GROUP BY kind, trace_via, trace_sure
ORDER BY kind, records DESC, via, sure
