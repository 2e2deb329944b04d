-- Which segments members of each persona are in: how many of them, and how many are in the segment at all.
-- From personas_personamembership and personas_segmentmembership, each read once.
WITH sized AS (
    SELECT segment_id, count(*) AS size FROM personas_segmentmembership GROUP BY segment_id
)
SELECT m.persona_id, s.segment_id, count(*) AS both, z.size
FROM personas_segmentmembership s
JOIN personas_personamembership m ON m.customer_id = s.customer_id
JOIN sized z USING (segment_id)
GROUP BY m.persona_id, s.segment_id, z.size
ORDER BY m.persona_id, s.segment_id
