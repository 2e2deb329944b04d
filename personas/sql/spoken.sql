-- Networks on which customers who allow profiling wrote to us, from CustomerDay, with their persona.
SELECT d.customer_id, coalesce(m.persona_id, 0) AS persona, d.network
FROM personas_customerday d
JOIN crm_customer c ON c.id = d.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
LEFT JOIN personas_personamembership m ON m.customer_id = d.customer_id
WHERE d.kind NOT IN ('order', 'visit') AND d.direction = 'inbound' AND d.day <= %(today)s
    AND (%(low)s = 0 OR d.customer_id BETWEEN %(low)s AND %(high)s)
    AND (%(every)s = 1 OR mod(d.customer_id, %(every)s) = 0)
    AND (%(everybody)s OR d.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
GROUP BY d.customer_id, m.persona_id, d.network
ORDER BY d.customer_id, d.network COLLATE "C"
