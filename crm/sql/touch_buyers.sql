-- After orders were stored: their buyers are seen and touched for the nightly rebuild; their days are marked for the
-- revenue rollup. Customers are locked in order of id.
WITH stored AS (
    SELECT customer_id, placed_at FROM crm_order WHERE id = ANY(%(ids)s)
), bought AS (
    SELECT customer_id AS id, max(placed_at) AS at
    FROM stored GROUP BY customer_id
), locked AS (
    SELECT c.id FROM crm_customer c JOIN bought USING (id)
    WHERE c.last_seen_at IS NULL OR c.last_seen_at < bought.at
    ORDER BY c.id FOR NO KEY UPDATE OF c
), moved AS (
    UPDATE crm_customer c
    SET last_seen_at = greatest(c.last_seen_at, bought.at)
    FROM bought JOIN locked USING (id) WHERE c.id = bought.id
), days AS (
    INSERT INTO crm_dirtyorderday (day, at)
    SELECT DISTINCT (placed_at AT TIME ZONE %(zone)s)::date, statement_timestamp() FROM stored ORDER BY 1
    ON CONFLICT (day) DO UPDATE SET at = excluded.at
)
INSERT INTO crm_customertouch (customer_id, at)
SELECT DISTINCT customer_id, statement_timestamp() FROM stored
