-- Of replies by staff to what was asked or complained: how many were thanked, of each persona and, with persona_id
-- NULL, of everybody. A reply that was followed by silence counts as not thanked. From card_turns.
SELECT g.persona_id, count(*) AS replies, count(*) FILTER (WHERE g.thanked) AS thanked
FROM (
    SELECT persona_id, thanked FROM card_turns WHERE was_asked AND is_last_in_row AND by_staff
    UNION ALL
    SELECT NULL, thanked FROM card_turns WHERE was_asked AND is_last_in_row AND by_staff AND in_all
) g
GROUP BY g.persona_id
ORDER BY g.persona_id NULLS FIRST
