-- What was computed for customers in nightly_batch that were merged away or erased.
WITH gone AS MATERIALIZED (
    SELECT b.customer_id
    FROM nightly_batch b LEFT JOIN crm_customer c ON c.id = b.customer_id AND c.merged_into_id IS NULL
    WHERE c.id IS NULL
), traits AS (
    DELETE FROM personas_traits t USING gone WHERE t.customer_id = gone.customer_id
), days AS (
    DELETE FROM personas_customerday d USING gone WHERE d.customer_id = gone.customer_id
), touches AS (
    DELETE FROM personas_firsttouch f USING gone WHERE f.customer_id = gone.customer_id
), predictions AS (
    DELETE FROM personas_prediction p USING gone WHERE p.customer_id = gone.customer_id
), personas AS (
    DELETE FROM personas_personamembership m USING gone WHERE m.customer_id = gone.customer_id
)
DELETE FROM personas_segmentmembership m USING gone WHERE m.customer_id = gone.customer_id
