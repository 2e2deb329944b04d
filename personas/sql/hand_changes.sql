-- Into nightly_membership: the customers whose persona made by hand is not the one their segments say, each with what
-- is computed for them. %(by_hand)s: the personas made by hand that count.
-- Reads personas_segmentmembership by (segment_id, customer_id), and members by personas_membership_persona.
WITH hand AS (
    SELECT DISTINCT ON (s.customer_id) s.customer_id, p.id AS persona_id,
        jsonb_build_array('In the segment ' || g.name) AS reasons
    FROM personas_persona p
    JOIN personas_segment g ON g.id = p.segment_id
    JOIN personas_segmentmembership s ON s.segment_id = g.id
    JOIN crm_customer c ON c.id = s.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
    WHERE p.is_active AND p.id = ANY(%(by_hand)s)
    ORDER BY s.customer_id, p.rank, p.id
), present AS (
    SELECT m.customer_id, m.persona_id, m.reasons
    FROM personas_persona p JOIN personas_personamembership m ON m.persona_id = p.id
    WHERE p.segment_id IS NOT NULL
), differ AS (
    SELECT customer_id
    FROM hand h FULL JOIN present a USING (customer_id)
    WHERE (h.persona_id, h.reasons) IS DISTINCT FROM (a.persona_id, a.reasons)
)
INSERT INTO nightly_membership (customer_id, persona_id, confidence, reasons)
SELECT d.customer_id,
    CASE WHEN p.segment_id IS NULL THEN m.persona_id ELSE m.computed_id END,
    CASE WHEN p.segment_id IS NULL THEN m.confidence ELSE m.computed_confidence END,
    CASE WHEN p.segment_id IS NULL THEN m.reasons ELSE m.computed_reasons END
FROM differ d
LEFT JOIN crm_customer c ON c.id = d.customer_id AND c.merged_into_id IS NULL AND NOT c.profiling_refused
LEFT JOIN personas_personamembership m ON m.customer_id = c.id
LEFT JOIN personas_persona p ON p.id = m.persona_id
