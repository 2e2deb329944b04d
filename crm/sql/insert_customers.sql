-- Inserts the new customers of one page, whose ids were drawn before.
INSERT INTO crm_customer (id, kind, name, language, country, city, zone, birth_year, job, company, profession,
                          interests, note, custom, origins, stage, profiling_refused, created_at)
SELECT c.id, c.kind, c.name, c.language, c.country, c.city, c.zone, c.birth_year, c.job, c.company, c.profession,
       ARRAY(SELECT jsonb_array_elements_text(c.interests)), c.note, c.custom, c.origins, 'awareness', false,
       statement_timestamp()
FROM jsonb_to_recordset(%(customers)s::jsonb) AS c (
    id bigint, kind text, name text, language text, country text, city text, zone text, birth_year smallint,
    job text, company text, profession text, interests jsonb, note text, custom jsonb, origins jsonb
)
