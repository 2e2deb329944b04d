-- On which networks members of each persona speak to us, from CustomerDay.
SELECT m.persona_id, d.network, sum(d.n) AS n, count(*) AS customers
FROM (
    SELECT customer_id, network, sum(n) AS n
    FROM personas_customerday
    WHERE kind NOT IN ('order', 'visit') AND direction = 'inbound' AND day > %(since_day)s AND day <= %(today)s
    GROUP BY customer_id, network
) d
JOIN personas_personamembership m ON m.customer_id = d.customer_id
GROUP BY m.persona_id, d.network
ORDER BY m.persona_id, sum(d.n) DESC, d.network
