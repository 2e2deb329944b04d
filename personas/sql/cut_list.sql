-- The last id of each range into which the list of the rebuild is cut, %(size)s customers a range, in order of id.
SELECT max(customer_id) AS upto
FROM (
    SELECT customer_id, (row_number() OVER (ORDER BY customer_id) - 1) / %(size)s AS part
    FROM personas_changedcustomer
) AS numbered
GROUP BY part
ORDER BY part
