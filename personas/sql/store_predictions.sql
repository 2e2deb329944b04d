-- Predictions in nightly_buying and nightly_habits, written where they differ. A half that was not worked out
-- for everybody is kept for those who did not change; a row that would say nothing goes.
WITH half AS (
    SELECT customer_id,
        %(all_buying)s OR c.customer_id IS NOT NULL AS has_buying,
        %(all_habits)s OR c.customer_id IS NOT NULL AS has_habits,
        p AS old, b AS buying, h AS habits
    FROM personas_prediction p
    FULL JOIN nightly_buying b USING (customer_id)
    FULL JOIN nightly_habits h USING (customer_id)
    LEFT JOIN personas_changedcustomer c USING (customer_id)
    WHERE %(all_buying)s OR %(all_habits)s OR c.customer_id IS NOT NULL
), fresh AS (
    SELECT customer_id, (old).customer_id IS NULL AS is_new,
        CASE WHEN has_buying THEN (buying).active_probability ELSE (old).active_probability END AS active_probability,
        CASE WHEN has_buying THEN (buying).orders_365 ELSE (old).orders_365 END AS orders_365,
        CASE WHEN has_buying THEN (buying).value_365 ELSE (old).value_365 END AS value_365,
        CASE WHEN has_buying THEN (buying).value_low ELSE (old).value_low END AS value_low,
        CASE WHEN has_buying THEN (buying).value_high ELSE (old).value_high END AS value_high,
        coalesce(CASE WHEN has_habits THEN (habits).best_network ELSE (old).best_network END, '') AS best_network,
        CASE WHEN has_habits THEN (habits).best_network_rate ELSE (old).best_network_rate END AS best_network_rate,
        CASE WHEN has_habits THEN (habits).best_hour ELSE (old).best_hour END AS best_hour,
        coalesce(CASE WHEN has_habits THEN (habits).base ELSE (old).base END, 0) AS base,
        CASE WHEN has_habits THEN (habits).survey_probability ELSE (old).survey_probability END AS survey_probability,
        coalesce(CASE WHEN has_habits THEN (habits).next_category ELSE (old).next_category END, '') AS next_category,
        CASE WHEN has_habits THEN (habits).next_category_share ELSE (old).next_category_share END
            AS next_category_share
    FROM half
), told AS (
    SELECT *, num_nonnulls(active_probability, orders_365, value_365, best_network_rate, best_hour, survey_probability,
        next_category_share) > 0 AS says_something
    FROM fresh
), gone AS (
    DELETE FROM personas_prediction p USING told t
    WHERE p.customer_id = t.customer_id AND NOT t.says_something
    RETURNING p.customer_id
), changed AS (
    UPDATE personas_prediction p
    SET active_probability = t.active_probability, orders_365 = t.orders_365, value_365 = t.value_365,
        value_low = t.value_low, value_high = t.value_high, best_network = t.best_network,
        best_network_rate = t.best_network_rate, best_hour = t.best_hour, base = t.base,
        survey_probability = t.survey_probability, next_category = t.next_category,
        next_category_share = t.next_category_share, computed_at = %(now)s
    FROM told t
    WHERE p.customer_id = t.customer_id AND t.says_something
        AND (p.active_probability, p.orders_365, p.value_365, p.value_low, p.value_high, p.best_network,
                p.best_network_rate, p.best_hour, p.base, p.survey_probability, p.next_category, p.next_category_share)
            IS DISTINCT FROM (t.active_probability, t.orders_365, t.value_365, t.value_low, t.value_high, t.best_network,
                t.best_network_rate, t.best_hour, t.base, t.survey_probability, t.next_category, t.next_category_share)
    RETURNING p.customer_id
), new AS (
    INSERT INTO personas_prediction (
        customer_id, active_probability, orders_365, value_365, value_low, value_high, best_network,
        best_network_rate, best_hour, base, survey_probability, next_category, next_category_share, computed_at
    )
    SELECT customer_id, active_probability, orders_365, value_365, value_low, value_high, best_network,
        best_network_rate, best_hour, base, survey_probability, next_category, next_category_share, %(now)s
    FROM told
    WHERE is_new AND says_something
    RETURNING customer_id
)
SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM changed) + (SELECT count(*) FROM new) AS written
