-- Up to %(most)s members of each persona, drawn by a hash of their id, so that the draw is the same every night.
-- `in_all` marks those who stand for everybody: the same part of each persona, so none weighs too much.
-- The zone is that of `next_batch.sql`: their own, else that of a country with one time, else the workspace's.
-- Reads the index personas_membership_persona; gone with its transaction.
CREATE TEMPORARY TABLE card_sample ON COMMIT DROP AS
WITH placed AS (
    SELECT persona_id, customer_id, confidence,
        row_number() OVER (PARTITION BY persona_id ORDER BY hashint8(customer_id), customer_id) AS place,
        count(*) OVER (PARTITION BY persona_id) AS members
    FROM personas_personamembership
)
SELECT d.persona_id, d.customer_id, d.confidence,
    d.place <= d.members * least(1.0, %(most)s::numeric / (SELECT max(members) FROM placed)) AS in_all,
    CASE WHEN c.zone = ANY(%(zones)s::text[]) THEN c.zone ELSE coalesce(z.zone, %(zone)s) END AS zone
FROM placed d
JOIN crm_customer c ON c.id = d.customer_id
LEFT JOIN unnest(%(countries)s::text[], %(country_zones)s::text[]) AS z (country, zone) ON z.country = c.country
WHERE d.place <= %(most)s
