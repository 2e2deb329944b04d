-- Writes the fields and origins of customers of one page; the caller holds their rows locked.
UPDATE crm_customer AS old
SET name = c.name, language = c.language, country = c.country, city = c.city, zone = c.zone,
    birth_year = c.birth_year, job = c.job, company = c.company, profession = c.profession,
    interests = ARRAY(SELECT jsonb_array_elements_text(c.interests)), note = c.note, custom = c.custom,
    origins = c.origins
FROM jsonb_to_recordset(%(customers)s::jsonb) AS c (
    id bigint, name text, language text, country text, city text, zone text, birth_year smallint, job text,
    company text, profession text, interests jsonb, note text, custom jsonb, origins jsonb
)
WHERE old.id = c.id
