-- What a computed journey changes for the customers in %(customers)s. Continues a WITH list whose `moves`
-- (customer_id, place, at, before, after, why, cause, cause_id) holds their whole journeys; `crm.journey` joins both.
-- Computed steps that no longer follow are taken away and new ones added; what was set by hand (without a cause) stays.
-- The stage on the record follows unless a person chose it, or a machine told it after the last step happened.
-- All is read in one snapshot; a record that somebody changes meanwhile is left to them.
-- Reads crm_stagechange by (customer, at, id); customers are locked in order of id.
seen AS MATERIALIZED (
    SELECT id, stage, origins -> 'stage' AS origin FROM crm_customer
    WHERE id = ANY(%(customers)s::bigint[]) AND merged_into_id IS NULL
), held AS MATERIALIZED (
    SELECT h.* FROM crm_stagechange h WHERE h.customer_id = ANY(%(customers)s::bigint[]) AND h.cause <> ''
), gone AS (
    DELETE FROM crm_stagechange c USING held h
    WHERE c.id = h.id AND NOT EXISTS (
        SELECT FROM moves m
        WHERE (m.customer_id, m.at, m.before, m.after, m.why, m.cause, m.cause_id)
            = (h.customer_id, h.at, h.before, h.after, h.why, h.cause, h.cause_id)
    )
    RETURNING 1
), new AS (
    INSERT INTO crm_stagechange (before, after, at, why, cause, cause_id, home_customer_id, customer_id)
    SELECT m.before, m.after, m.at, m.why, m.cause, m.cause_id, m.customer_id, m.customer_id
    FROM moves m JOIN seen s ON s.id = m.customer_id
    WHERE NOT EXISTS (
        SELECT FROM held h
        WHERE (m.customer_id, m.at, m.before, m.after, m.why, m.cause, m.cause_id)
            = (h.customer_id, h.at, h.before, h.after, h.why, h.cause, h.cause_id)
    )
    ORDER BY m.customer_id, m.place
    ON CONFLICT DO NOTHING
    RETURNING 1
), newest AS (
    SELECT DISTINCT ON (customer_id) customer_id AS id, at, after, why, cause, cause_id
    FROM moves ORDER BY customer_id, place DESC
), wanted AS MATERIALIZED (
    SELECT s.id, s.stage AS before, s.origin, coalesce(n.after, 'awareness') AS after, n.why, n.cause, n.cause_id,
        CASE WHEN n.at IS NOT NULL THEN jsonb_build_object(
            'source', %(source)s::text, 'at', to_char(n.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), 'by', NULL
        ) END AS told
    FROM seen s LEFT JOIN newest n USING (id)
    WHERE CASE
        WHEN s.origin IS NULL THEN n.at IS NOT NULL
        WHEN s.origin ->> 'source' = %(source)s THEN true
        WHEN s.origin ->> 'source' = ANY(%(people)s::text[]) THEN false
        ELSE n.at >= (s.origin ->> 'at')::timestamptz
    END
), locked AS (
    SELECT c.id FROM crm_customer c JOIN wanted w USING (id)
    WHERE (w.before, w.origin) IS DISTINCT FROM (w.after, w.told)
        AND c.stage = w.before AND c.origins -> 'stage' IS NOT DISTINCT FROM w.origin AND c.merged_into_id IS NULL
    ORDER BY c.id FOR NO KEY UPDATE OF c
), moved AS (
    UPDATE crm_customer c
    SET stage = w.after,
        origins = CASE WHEN w.told IS NULL THEN c.origins - 'stage'
                       ELSE jsonb_set(c.origins, '{stage}', w.told) END
    FROM wanted w JOIN locked USING (id) WHERE c.id = w.id
    RETURNING c.id, w.before, w.after, w.why, w.cause, w.cause_id
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM new) AS steps,
    (SELECT count(*) FROM moved) AS written,
    (SELECT coalesce(jsonb_agg(to_jsonb(m) ORDER BY m.id), '[]') FROM moved m WHERE m.before <> m.after) AS moves
