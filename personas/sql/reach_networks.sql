-- Where the people of an audience speak: touches and people by network, from CustomerDay (its unique key).
-- The audience is put in where members stand; of more than %(most)s a fixed sample is read.
WITH chosen AS MATERIALIZED (
    SELECT customer_id FROM (/*members*/) AS m (customer_id) ORDER BY hashint8extended(customer_id, 7) LIMIT %(most)s
)
SELECT d.network, sum(d.n)::int AS n, count(DISTINCT d.customer_id)::int AS people
FROM chosen JOIN personas_customerday d USING (customer_id)
WHERE d.kind NOT IN ('order', 'visit') AND d.direction = 'inbound' AND d.day > %(since_day)s AND d.day <= %(today)s
GROUP BY d.network
ORDER BY sum(d.n) DESC, d.network
