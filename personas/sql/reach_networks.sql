-- Where the people of an audience speak: touches and people by network, from CustomerDay. Days are compared together
-- with the customer, so that its unique key serves: by the day alone, everybody's days would be read.
SELECT d.network, sum(d.n)::int AS n, count(DISTINCT d.customer_id)::int AS people
FROM reach_chosen c
CROSS JOIN LATERAL (
    SELECT * FROM personas_customerday d
    WHERE d.customer_id = c.customer_id AND (d.customer_id, d.day) > (c.customer_id, %(since_day)s)
        AND (d.customer_id, d.day) <= (c.customer_id, %(today)s)
    OFFSET 0
) d
WHERE d.kind NOT IN ('order', 'visit') AND d.direction = 'inbound'
GROUP BY d.network
ORDER BY sum(d.n) DESC, d.network
