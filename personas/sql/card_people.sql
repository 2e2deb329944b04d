-- Where the drawn members live, what they speak, do and like, and where they stand:
-- (persona, what, value, customers) of the commonest values, and how many tell anything about it.
-- From card_sample and crm_customer by its key.
WITH told AS (
    SELECT s.persona_id, s.customer_id, v.what, v.value
    FROM card_sample s
    JOIN crm_customer c ON c.id = s.customer_id
    CROSS JOIN LATERAL (
        SELECT 'country' AS what, c.country AS value
        UNION ALL SELECT 'city', c.city
        UNION ALL SELECT 'language', c.language
        UNION ALL SELECT 'job', coalesce(nullif(c.profession, ''), c.job)
        UNION ALL SELECT 'stage', c.stage
        UNION ALL SELECT 'interest', lower(unnest(c.interests))
    ) v
    WHERE v.value <> ''
), base AS (
    SELECT persona_id, what, count(DISTINCT customer_id) AS base FROM told GROUP BY persona_id, what
), ranked AS (
    SELECT persona_id, what, value, count(*) AS customers,
        row_number() OVER (PARTITION BY persona_id, what ORDER BY count(*) DESC, value) AS place
    FROM told GROUP BY persona_id, what, value
)
SELECT r.persona_id, r.what, r.value, r.customers, b.base
FROM ranked r JOIN base b USING (persona_id, what)
WHERE r.place <= 5
ORDER BY r.persona_id, r.what, r.place
