-- After orders were stored: their buyers are seen and touched, and their days are marked for the revenue rollup.
WITH stored AS (
    SELECT customer_id, placed_at FROM crm_order WHERE id = ANY(%(ids)s)
), locked AS (
    SELECT c.id, max(s.placed_at) AS at
    FROM (SELECT id, last_seen_at FROM crm_customer WHERE id IN (SELECT customer_id FROM stored)
          ORDER BY id FOR NO KEY UPDATE) c
    JOIN stored s ON s.customer_id = c.id
    WHERE c.last_seen_at IS NULL OR c.last_seen_at < s.placed_at
    GROUP BY c.id
), moved AS (
    UPDATE crm_customer c SET last_seen_at = locked.at FROM locked WHERE c.id = locked.id
), days AS (
    INSERT INTO crm_dirtyorderday (day, at)
    SELECT DISTINCT (placed_at AT TIME ZONE %(zone)s)::date, statement_timestamp() FROM stored ORDER BY 1
    ON CONFLICT (day) DO UPDATE SET at = excluded.at
)
INSERT INTO crm_customertouch (customer_id, at)
SELECT DISTINCT customer_id, statement_timestamp() FROM stored
