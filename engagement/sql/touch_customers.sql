-- Customers who wrote: when they were last seen, and a touch for the nightly rebuild. Locked in order of id.
WITH seen AS (
    SELECT customer_id AS id, max(at) AS at
    FROM jsonb_to_recordset(%(seen)s::jsonb) AS s (customer_id bigint, at timestamptz, inbound boolean)
    WHERE inbound GROUP BY customer_id
), locked AS (
    SELECT c.id FROM crm_customer c JOIN seen USING (id)
    WHERE c.last_seen_at IS NULL OR c.last_seen_at < seen.at
    ORDER BY c.id FOR NO KEY UPDATE OF c
), moved AS (
    UPDATE crm_customer c SET last_seen_at = seen.at
    FROM seen JOIN locked USING (id) WHERE c.id = seen.id
)
INSERT INTO crm_customertouch (customer_id, at)
SELECT DISTINCT customer_id, statement_timestamp()
FROM jsonb_to_recordset(%(seen)s::jsonb) AS s (customer_id bigint)
