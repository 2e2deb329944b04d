-- Predictions in nightly_prediction, written where they differ; those of customers in question who have none go.
WITH gone AS (
    DELETE FROM personas_prediction p
    WHERE NOT EXISTS (SELECT FROM nightly_prediction n WHERE n.customer_id = p.customer_id)
        AND (%(everybody)s OR p.customer_id IN (SELECT customer_id FROM personas_changedcustomer))
    RETURNING p.customer_id
), changed AS (
    UPDATE personas_prediction p
    SET active_probability = n.active_probability, orders_365 = n.orders_365, value_365 = n.value_365,
        best_network = n.best_network, best_network_rate = n.best_network_rate, best_hour = n.best_hour,
        base = n.base, computed_at = %(now)s
    FROM nightly_prediction n
    WHERE p.customer_id = n.customer_id
        AND (p.active_probability, p.orders_365, p.value_365, p.best_network, p.best_network_rate, p.best_hour, p.base)
            IS DISTINCT FROM (n.active_probability, n.orders_365, n.value_365, n.best_network, n.best_network_rate,
                n.best_hour, n.base)
    RETURNING p.customer_id
), new AS (
    INSERT INTO personas_prediction (
        customer_id, active_probability, orders_365, value_365, best_network, best_network_rate, best_hour, base,
        computed_at
    )
    SELECT customer_id, active_probability, orders_365, value_365, best_network, best_network_rate, best_hour, base,
        %(now)s
    FROM nightly_prediction n
    WHERE NOT EXISTS (SELECT FROM personas_prediction p WHERE p.customer_id = n.customer_id)
    RETURNING customer_id
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM changed) + (SELECT count(*) FROM new) AS written
