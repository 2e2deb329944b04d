-- Why the drawn members contact us, of each persona and, with persona_id NULL, of everybody.
-- From card_said; interactions without a known reason are left out.
SELECT g.persona_id, g.reason, count(*) AS n,
    sum(count(*)) OVER (PARTITION BY g.persona_id) AS base
FROM (
    SELECT persona_id, reason FROM card_said WHERE reason <> ''
    UNION ALL
    SELECT NULL, reason FROM card_said WHERE reason <> '' AND in_all
) g
GROUP BY g.persona_id, g.reason
ORDER BY g.persona_id NULLS FIRST, count(*) DESC, g.reason
