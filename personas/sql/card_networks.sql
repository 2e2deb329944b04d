-- On which networks members of each persona speak to us, from CustomerDay.
SELECT m.persona_id, d.network, sum(d.n) AS n
FROM personas_customerday d
JOIN personas_personamembership m ON m.customer_id = d.customer_id
WHERE d.kind NOT IN ('order', 'visit') AND d.direction = 'inbound' AND d.day > %(since_day)s AND d.day <= %(today)s
GROUP BY m.persona_id, d.network
ORDER BY m.persona_id, sum(d.n) DESC, d.network
