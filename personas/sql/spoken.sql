-- Networks on which customers who allow profiling wrote to us, from CustomerDay.
SELECT d.customer_id, d.network
FROM personas_customerday d
JOIN crm_customer c ON c.id = d.customer_id AND NOT c.profiling_refused
WHERE d.kind NOT IN ('order', 'visit') AND d.direction = 'inbound' AND d.day <= %(today)s
    AND (%(everybody)s OR d.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
GROUP BY d.customer_id, d.network
ORDER BY d.customer_id, d.network COLLATE "C"
