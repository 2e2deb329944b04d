-- What orders brought on the days from %(first)s and before %(before)s, as the rebuild summed them. Marks that are the
-- name of no campaign, and sources that are no network, fall together. From personas_broughtday (its day).
SELECT how, network, campaign, source, persona_id, sum(orders)::bigint AS orders,
    sum(new_customers)::bigint AS new_customers, sum(revenue) AS revenue, sum(without_rate)::bigint AS without_rate
FROM (
    SELECT how, network, persona_id, orders, new_customers, revenue, without_rate,
        CASE WHEN campaign = ANY(%(marks)s::text[]) THEN campaign ELSE '' END AS campaign,
        CASE WHEN source = ANY(%(sources)s::text[]) THEN source ELSE '' END AS source
    FROM personas_broughtday WHERE day >= %(first)s AND day < %(before)s
) d
GROUP BY how, network, campaign, source, persona_id
