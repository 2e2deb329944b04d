-- How often the drawn members answered our messages within a day, by network, of each persona and, with
-- persona_id NULL, of everybody. Of several messages in a row the last one counts. From card_turns.
SELECT g.persona_id, g.network, count(*) AS sent, count(*) FILTER (WHERE g.answered) AS answered,
    count(DISTINCT g.customer_id) AS customers
FROM (
    SELECT persona_id, customer_id, network, answered FROM card_turns WHERE is_last_in_row
    UNION ALL
    SELECT NULL, customer_id, network, answered FROM card_turns WHERE is_last_in_row AND in_all
) g
GROUP BY g.persona_id, g.network
ORDER BY g.persona_id NULLS FIRST, g.network
