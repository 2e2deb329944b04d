-- Customers by network, persona and age band, profession or interest, into personas_peoplecount, which is
-- empty. Persons who allow profiling alone. Professions and interests are told apart without regard to case;
-- a value that fewer than %(least)s customers share is left out, and counts in its base all the same.
-- Reads crm_identity by customer, and whole personas_traits and crm_customer once.
WITH known AS MATERIALIZED (
    SELECT c.id, coalesce(m.persona_id, 0) AS persona_id, t.age_band, nullif(trim(c.profession), '') AS profession,
        c.interests
    FROM crm_customer c
    LEFT JOIN personas_traits t ON t.customer_id = c.id
    LEFT JOIN personas_personamembership m ON m.customer_id = c.id
    WHERE c.merged_into_id IS NULL AND NOT c.profiling_refused AND c.kind = 'person'
        AND (t.age_band IS NOT NULL OR c.profession <> '' OR c.interests <> '{}')
), place AS MATERIALIZED (
    SELECT DISTINCT k.id, i.network FROM known k JOIN crm_identity i ON i.customer_id = k.id
    UNION ALL
    SELECT id, '' FROM known
), fact AS (
    SELECT id, persona_id, 'age' AS fact, age_band AS value FROM known WHERE age_band IS NOT NULL
    UNION ALL
    SELECT id, persona_id, 'profession', profession FROM known WHERE profession IS NOT NULL
    UNION
    SELECT k.id, k.persona_id, 'interest', trim(one) FROM known k CROSS JOIN unnest(k.interests) AS one
    WHERE trim(one) <> ''
), folded AS (
    SELECT id, persona_id, fact, left(initcap(lower(value)), 120) AS value FROM fact WHERE fact <> 'age'
    UNION ALL
    SELECT id, persona_id, fact, value FROM fact WHERE fact = 'age'
), common AS (
    SELECT fact, value FROM folded GROUP BY fact, value HAVING count(DISTINCT id) >= %(least)s
), counted AS (
    SELECT f.fact, f.value, p.network, f.persona_id, count(DISTINCT f.id) AS customers
    FROM folded f JOIN common USING (fact, value) JOIN place p ON p.id = f.id
    GROUP BY f.fact, f.value, p.network, f.persona_id
    UNION ALL
    SELECT f.fact, '', p.network, f.persona_id, count(DISTINCT f.id)
    FROM folded f JOIN place p ON p.id = f.id
    GROUP BY f.fact, p.network, f.persona_id
)
INSERT INTO personas_peoplecount (fact, value, network, persona_id, customers)
SELECT fact, value, network, persona_id, customers FROM counted
