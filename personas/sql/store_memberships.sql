-- Persona memberships of everybody, or of the customers in nightly_membership, written where they differ. A row there
-- says what was computed: a cluster of the current model or a plain rule's persona; neither: none. A persona made by
-- hand (%(by_hand)s) comes first for the members of its segment, by its rank, and keeps the computed one beneath.
-- Who moved is kept when somebody is told. All parts see the rows as they were before.
-- Reads personas_segmentmembership by (segment_id, customer_id), which its unique constraint serves.
WITH asked AS MATERIALIZED (
    SELECT m.customer_id, m.persona_id FROM personas_personamembership m
    WHERE %(everybody)s OR m.customer_id IN (SELECT customer_id FROM nightly_membership)
), computed AS MATERIALIZED (
    SELECT n.customer_id, coalesce(n.persona_id, p.id) AS persona_id, n.confidence, n.reasons
    FROM nightly_membership n LEFT JOIN personas_persona p ON p.cluster = n.cluster AND p.is_active
    WHERE coalesce(n.persona_id, p.id) IS NOT NULL
), hand AS MATERIALIZED (
    SELECT DISTINCT ON (s.customer_id) s.customer_id, p.id AS persona_id,
        jsonb_build_array('In the segment ' || g.name) AS reasons
    FROM personas_persona p
    JOIN personas_segment g ON g.id = p.segment_id
    JOIN personas_segmentmembership s ON s.segment_id = g.id
    JOIN crm_customer c ON c.id = s.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
    WHERE p.is_active AND p.id = ANY(%(by_hand)s)
        AND (%(everybody)s OR s.customer_id IN (SELECT customer_id FROM nightly_membership))
    ORDER BY s.customer_id, p.rank, p.id
), wanted AS MATERIALIZED (
    SELECT customer_id, coalesce(h.persona_id, c.persona_id) AS persona_id,
        CASE WHEN h.persona_id IS NULL THEN c.confidence ELSE 1 END AS confidence,
        coalesce(h.reasons, c.reasons) AS reasons,
        CASE WHEN h.persona_id IS NOT NULL THEN c.persona_id END AS computed_id,
        CASE WHEN h.persona_id IS NOT NULL THEN c.confidence END AS computed_confidence,
        CASE WHEN h.persona_id IS NOT NULL AND c.persona_id IS NOT NULL THEN c.reasons ELSE '[]' END
            AS computed_reasons
    FROM computed c FULL JOIN hand h USING (customer_id)
), moved AS (
    SELECT w.customer_id, m.persona_id AS before_id, w.persona_id AS after_id, w.confidence
    FROM wanted w LEFT JOIN personas_personamembership m ON m.customer_id = w.customer_id
    WHERE m.persona_id IS DISTINCT FROM w.persona_id
    UNION ALL
    SELECT a.customer_id, a.persona_id, NULL, NULL
    FROM asked a
    WHERE NOT EXISTS (SELECT FROM wanted w WHERE w.customer_id = a.customer_id)
        AND EXISTS (SELECT FROM crm_customer c WHERE c.id = a.customer_id AND c.merged_into_id IS NULL)
), gone AS (
    DELETE FROM personas_personamembership m USING asked a
    WHERE m.customer_id = a.customer_id
        AND NOT EXISTS (SELECT FROM wanted w WHERE w.customer_id = m.customer_id)
    RETURNING m.customer_id
), changed AS (
    UPDATE personas_personamembership m
    SET persona_id = w.persona_id, confidence = w.confidence, reasons = w.reasons,
        computed_id = w.computed_id, computed_confidence = w.computed_confidence,
        computed_reasons = w.computed_reasons,
        since = CASE WHEN m.persona_id = w.persona_id THEN m.since ELSE %(now)s END
    FROM wanted w
    WHERE m.customer_id = w.customer_id
        AND (m.persona_id, m.confidence, m.reasons, m.computed_id, m.computed_confidence, m.computed_reasons)
            IS DISTINCT FROM (w.persona_id, w.confidence, w.reasons, w.computed_id, w.computed_confidence,
            w.computed_reasons)
    RETURNING m.customer_id
), new AS (
    INSERT INTO personas_personamembership (customer_id, persona_id, confidence, reasons, computed_id,
        computed_confidence, computed_reasons, since)
    SELECT customer_id, persona_id, confidence, reasons, computed_id, computed_confidence, computed_reasons, %(now)s
    FROM wanted w
    WHERE NOT EXISTS (SELECT FROM personas_personamembership m WHERE m.customer_id = w.customer_id)
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
