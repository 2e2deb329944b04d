-- Where the people of an audience speak: touches and people by network, from CustomerDay (its unique key).
SELECT d.network, sum(d.n)::int AS n, count(DISTINCT d.customer_id)::int AS people
FROM reach_chosen JOIN personas_customerday d USING (customer_id)
WHERE d.kind NOT IN ('order', 'visit') AND d.direction = 'inbound' AND d.day > %(since_day)s AND d.day <= %(today)s
GROUP BY d.network
ORDER BY sum(d.n) DESC, d.network
