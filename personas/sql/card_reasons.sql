-- Why the drawn members contact us, and how many of them, of each persona and, with persona_id NULL, of everybody.
-- From card_said; interactions without a known reason are left out.
SELECT g.persona_id, g.reason, sum(g.n)::bigint AS n, count(*) AS customers,
    sum(sum(g.n)) OVER (PARTITION BY g.persona_id) AS base
FROM (
    SELECT persona_id, reason, customer_id, count(*) AS n FROM card_said WHERE reason <> '' GROUP BY 1, 2, 3
    UNION ALL
    SELECT NULL, reason, customer_id, count(*) FROM card_said WHERE reason <> '' AND in_all GROUP BY 2, 3
) g
GROUP BY g.persona_id, g.reason
ORDER BY g.persona_id NULLS FIRST, sum(g.n) DESC, g.reason
