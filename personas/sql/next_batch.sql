-- The next customers of the rebuild in order of id, into nightly_batch, each with the time zone they live in: that on
-- the record where it is the name of one, else that of a country with one time, else the workspace's.
INSERT INTO nightly_batch (customer_id, zone)
SELECT n.customer_id, CASE WHEN c.zone = ANY(%(zones)s::text[]) THEN c.zone ELSE coalesce(z.zone, %(zone)s) END
FROM (
    SELECT customer_id FROM personas_changedcustomer
    WHERE customer_id > %(after)s AND customer_id <= %(upto)s
    ORDER BY customer_id
    LIMIT %(limit)s
) n
LEFT JOIN crm_customer c ON c.id = n.customer_id
LEFT JOIN unnest(%(countries)s::text[], %(country_zones)s::text[]) AS z (country, zone) ON z.country = c.country
