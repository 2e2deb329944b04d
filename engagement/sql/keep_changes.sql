-- Changes whose interaction is not here yet: the newest of each kind waits, of deletions the first, of delivery
-- statuses the furthest.
-- Served by the unique key (account_id, external_id, kind).
INSERT INTO engagement_pendingchange AS kept (account_id, external_id, kind, at, payload, created_at)
SELECT %(account)s, c.external_id, c.kind, c.at, c.payload, statement_timestamp()
FROM jsonb_to_recordset(%(changes)s::jsonb) AS c (external_id text, kind text, at timestamptz, payload jsonb)
ORDER BY c.external_id, c.kind
ON CONFLICT (account_id, external_id, kind) DO UPDATE
SET at = excluded.at, payload = excluded.payload
WHERE CASE WHEN kept.payload ? 'rank' THEN (excluded.payload->>'rank')::int > (kept.payload->>'rank')::int
           WHEN kept.kind = 'delete' THEN excluded.at < kept.at
           ELSE excluded.at > kept.at END
