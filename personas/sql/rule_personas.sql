-- Plain rules that stand in for personas while there is not enough data: (customer, which rule, the figure behind it).
-- The first rule that holds counts. Nothing here depends on the day.
SELECT t.customer_id,
    CASE
        WHEN t.orders_total > 1 THEN 'regular'
        WHEN t.orders_total = 1 THEN 'once'
        WHEN t.inbound_total > 0 THEN 'talker'
        ELSE 'silent'
    END AS rule,
    CASE WHEN t.orders_total > 0 THEN t.orders_total ELSE t.inbound_total END AS figure
FROM personas_traits t
JOIN crm_customer c ON c.id = t.customer_id AND NOT c.profiling_refused
WHERE %(everybody)s OR t.customer_id IN (SELECT customer_id FROM personas_changedcustomer)
ORDER BY t.customer_id
