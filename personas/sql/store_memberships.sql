-- Persona memberships in nightly_membership, written where they differ; those of customers in question who have none
-- go. Who moved is kept when somebody is told. All parts see the rows as they were before.
WITH asked AS (
    SELECT m.customer_id, m.persona_id FROM personas_personamembership m
    WHERE %(everybody)s OR m.customer_id IN (SELECT customer_id FROM personas_changedcustomer)
), moved AS (
    SELECT n.customer_id, m.persona_id AS before_id, n.persona_id AS after_id, n.confidence
    FROM nightly_membership n LEFT JOIN personas_personamembership m ON m.customer_id = n.customer_id
    WHERE m.persona_id IS DISTINCT FROM n.persona_id
    UNION ALL
    SELECT a.customer_id, a.persona_id, NULL, NULL
    FROM asked a
    WHERE NOT EXISTS (SELECT FROM nightly_membership n WHERE n.customer_id = a.customer_id)
        AND EXISTS (SELECT FROM crm_customer c WHERE c.id = a.customer_id AND c.merged_into_id IS NULL)
), gone AS (
    DELETE FROM personas_personamembership m USING asked a
    WHERE m.customer_id = a.customer_id
        AND NOT EXISTS (SELECT FROM nightly_membership n WHERE n.customer_id = m.customer_id)
    RETURNING m.customer_id
), changed AS (
    UPDATE personas_personamembership m
    SET persona_id = n.persona_id, confidence = n.confidence, reasons = n.reasons,
        since = CASE WHEN m.persona_id = n.persona_id THEN m.since ELSE %(now)s END
    FROM nightly_membership n
    WHERE m.customer_id = n.customer_id
        AND (m.persona_id, m.confidence, m.reasons) IS DISTINCT FROM (n.persona_id, n.confidence, n.reasons)
    RETURNING m.customer_id
), new AS (
    INSERT INTO personas_personamembership (customer_id, persona_id, confidence, reasons, since)
    SELECT customer_id, persona_id, confidence, reasons, %(now)s
    FROM nightly_membership n
    WHERE NOT EXISTS (SELECT FROM personas_personamembership m WHERE m.customer_id = n.customer_id)
    RETURNING customer_id
), history AS (
    INSERT INTO personas_personachange (customer_id, before_id, after_id, confidence, at)
    SELECT customer_id, before_id, after_id, confidence, %(now)s FROM moved WHERE %(told)s
    RETURNING customer_id
)
SELECT
    (SELECT count(*) FROM gone) + (SELECT count(*) FROM changed) + (SELECT count(*) FROM new) AS written,
    (SELECT count(*) FROM history) AS told,
    (SELECT count(*) FROM moved WHERE before_id IS NOT NULL) AS moved
