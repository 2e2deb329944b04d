-- Organizations with most people in each persona, and how many people each has: the five largest.
-- From crm_affiliation and personas_personamembership by its key. Somebody with two roles counts once.
WITH people AS (
    SELECT DISTINCT organization_id, person_id FROM crm_affiliation
), sized AS (
    SELECT organization_id, count(*) AS size FROM people GROUP BY organization_id
), ranked AS (
    SELECT m.persona_id, p.organization_id, count(*) AS people,
        row_number() OVER (PARTITION BY m.persona_id ORDER BY count(*) DESC, p.organization_id) AS place
    FROM people p JOIN personas_personamembership m ON m.customer_id = p.person_id
    GROUP BY m.persona_id, p.organization_id
)
SELECT r.persona_id, r.organization_id, r.people, z.size
FROM ranked r JOIN sized z USING (organization_id)
WHERE r.place <= 5 AND r.people > 1
ORDER BY r.persona_id, r.place
