-- The records of the batch, one row each; who was merged away has none.
-- From crm_customer by key.
SELECT c.id AS customer_id, c.stage, c.birth_year, c.language, c.country, c.city, c.profession, c.interests,
    extract(year FROM %(today)s::date)::int - c.birth_year AS age
FROM nightly_batch b
JOIN crm_customer c ON c.id = b.customer_id AND c.merged_into_id IS NULL
