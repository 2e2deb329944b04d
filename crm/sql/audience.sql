-- The customers of a group who may be in an audience for one purpose, or why they may not.
-- /*members*/ is a statement that gives their ids. An identity counts whose newest word on the purpose is a yes
-- with no refusal of the whole person since: the same as crm.consents.effective_consent. Served by
-- crm_consent_newest and crm_consent_purpose; one row a customer, of whatever size the group is.
WITH members AS (
    SELECT DISTINCT m.customer_id FROM (/*members*/) AS m (customer_id)
), people AS (
    SELECT c.id, c.name, c.city, c.country,
           coalesce((SELECT c.custom ->> k.key FROM unnest(%(postcodes)s::text[]) WITH ORDINALITY AS k (key, place)
                     WHERE c.custom ->> k.key <> '' ORDER BY k.place LIMIT 1), '') AS postcode
    FROM members JOIN crm_customer c ON c.id = members.customer_id
    WHERE c.merged_into_id IS NULL
), refused AS (
    SELECT DISTINCT ON (x.customer_id) x.customer_id, x.at, x.id
    FROM crm_consent x JOIN members USING (customer_id)
    WHERE x.purpose = %(purpose)s AND x.whole_person
    ORDER BY x.customer_id, x.at DESC, x.id DESC
), handle AS (
    SELECT i.customer_id, i.network, i.external_id, i.id, newest.given, newest.at, newest.said
    FROM members
    JOIN crm_identity i USING (customer_id)
    LEFT JOIN LATERAL (
        SELECT x.given, x.at, x.id AS said FROM crm_consent x
        WHERE x.identity_id = i.id AND x.purpose = %(purpose)s
        ORDER BY x.at DESC, x.id DESC LIMIT 1
    ) newest ON true
    WHERE i.network = ANY(%(networks)s)
), reach AS (
    SELECT h.customer_id, count(*) AS handles,
           bool_or(h.said IS NOT NULL) OR bool_or(r.id IS NOT NULL) AS asked,
           bool_or(r.id IS NOT NULL) AS person_refused,
           array_agg(h.external_id ORDER BY h.id)
               FILTER (WHERE h.network = %(email)s AND h.given AND (r.id IS NULL OR (h.at, h.said) > (r.at, r.id)))
               AS emails,
           array_agg(h.external_id ORDER BY h.id)
               FILTER (WHERE h.network = %(phone)s AND h.given AND (r.id IS NULL OR (h.at, h.said) > (r.at, r.id)))
               AS phones
    FROM handle h LEFT JOIN refused r USING (customer_id)
    GROUP BY h.customer_id
), judged AS (
    SELECT p.id, p.name, p.city, p.country, p.postcode,
           coalesce(h.emails, '{}') AS emails, coalesce(h.phones, '{}') AS phones,
           CASE WHEN h.emails IS NOT NULL OR h.phones IS NOT NULL THEN 'in'
                WHEN h.handles IS NULL THEN 'unreachable'
                WHEN h.person_refused THEN 'person_refused'
                WHEN h.asked THEN 'refused'
                ELSE 'never_asked' END AS verdict
    FROM people p LEFT JOIN reach h ON h.customer_id = p.id
)
SELECT /*what*/
