-- Who of an audience may be written to first, and where: identities on networks that let us begin, whose newest word
-- on the purpose is a yes with no refusal of the whole person since (as crm.consents.effective_consent), and how many
-- messages the limit leaves after those of the last 30 days. One row a set of networks and number left, and one a
-- network with the reasons of the others. Served by crm_consent_newest, crm_consent_purpose, engagement_ledger_customer.
WITH members AS MATERIALIZED (
    SELECT DISTINCT m.customer_id FROM (/*members*/) AS m (customer_id)
    JOIN crm_customer c ON c.id = m.customer_id AND c.merged_into_id IS NULL
), refused AS (
    SELECT DISTINCT ON (x.customer_id) x.customer_id, x.at, x.id
    FROM crm_consent x JOIN members USING (customer_id)
    WHERE x.purpose = %(purpose)s AND x.whole_person
    ORDER BY x.customer_id, x.at DESC, x.id DESC
), made AS (
    SELECT l.customer_id, count(*) AS n
    FROM engagement_contactledger l JOIN members USING (customer_id)
    WHERE l.at >= %(ledger_since)s
    GROUP BY l.customer_id
), handle AS (
    SELECT i.customer_id, i.network,
        bool_or(coalesce(newest.given, false) AND (r.id IS NULL OR (newest.at, newest.said) > (r.at, r.id))) AS yes,
        bool_or(newest.said IS NOT NULL) OR bool_or(r.id IS NOT NULL) AS asked
    FROM members JOIN crm_identity i USING (customer_id)
    LEFT JOIN refused r USING (customer_id)
    LEFT JOIN LATERAL (
        SELECT x.given, x.at, x.id AS said FROM crm_consent x
        WHERE x.identity_id = i.id AND x.purpose = %(purpose)s
        ORDER BY x.at DESC, x.id DESC LIMIT 1
    ) newest ON true
    WHERE i.network = ANY(%(networks)s)
    GROUP BY i.customer_id, i.network
), judged AS (
    SELECT h.*, greatest(%(limit)s - coalesce(m.n, 0), 0)::int AS left_over
    FROM handle h LEFT JOIN made m USING (customer_id)
), person AS (
    SELECT customer_id, array_agg(network ORDER BY network) AS networks, max(left_over) AS left_over
    FROM judged WHERE yes AND left_over > 0
    GROUP BY customer_id
)
SELECT 'people' AS what, networks, left_over, count(*)::int AS people, 0 AS handles, 0 AS yes, 0 AS refused,
    0 AS never_asked, 0 AS at_limit
FROM person GROUP BY networks, left_over
UNION ALL
SELECT 'network', ARRAY[network]::varchar[], 0, 0, count(*)::int, (count(*) FILTER (WHERE yes))::int,
    (count(*) FILTER (WHERE NOT yes AND asked))::int, (count(*) FILTER (WHERE NOT yes AND NOT asked))::int,
    (count(*) FILTER (WHERE yes AND left_over = 0))::int
FROM judged GROUP BY network
ORDER BY 1, 2, 3
