-- Where members of each persona live, what they speak, do and where they stand: (persona, what, value, customers).
SELECT m.persona_id, v.what, v.value, count(*) AS customers
FROM personas_personamembership m
JOIN crm_customer c ON c.id = m.customer_id
CROSS JOIN LATERAL (
    VALUES ('country', c.country), ('language', c.language), ('job', c.job), ('stage', c.stage)
) AS v (what, value)
WHERE v.value <> ''
GROUP BY m.persona_id, v.what, v.value
ORDER BY m.persona_id, v.what, count(*) DESC, v.value
