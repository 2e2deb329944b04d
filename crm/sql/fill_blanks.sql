-- What a source tells about people who are known already fills what is blank: a field that a person left blank
-- stays so, and a name made of a handle gives way to a name. Of two rows about one customer the first counts.
-- Finds customers by their key, writes only where something is filled, and locks in order of id.
WITH told AS (
    SELECT DISTINCT ON (customer_id) customer_id AS id, nullif(name, '') AS name, handle, external_id,
           nullif(language, '') AS language, nullif(country, '') AS country, nullif(city, '') AS city,
           nullif(zone, '') AS zone, birth_year
    FROM jsonb_to_recordset(%(people)s::jsonb) AS p (
        customer_id bigint, name text, handle text, external_id text,
        language text, country text, city text, zone text, birth_year smallint
    )
    ORDER BY customer_id
), filled AS (
    SELECT c.id, fits.*
    FROM crm_customer c JOIN told USING (id) CROSS JOIN LATERAL (
        SELECT CASE WHEN c.name IN ('', told.handle, told.external_id) AND NOT c.origins ? 'name'
                    THEN nullif(told.name, c.name) END AS name,
               CASE WHEN c.language = '' AND coalesce(c.origins #>> '{language,source}', '') NOT IN ('staff', 'customer')
                    THEN told.language END AS language,
               CASE WHEN c.country = '' AND coalesce(c.origins #>> '{country,source}', '') NOT IN ('staff', 'customer')
                    THEN told.country END AS country,
               CASE WHEN c.city = '' AND coalesce(c.origins #>> '{city,source}', '') NOT IN ('staff', 'customer')
                    THEN told.city END AS city,
               CASE WHEN c.zone = '' AND coalesce(c.origins #>> '{zone,source}', '') NOT IN ('staff', 'customer')
                    THEN told.zone END AS zone,
               CASE WHEN c.birth_year IS NULL AND coalesce(c.origins #>> '{birth_year,source}', '') NOT IN ('staff', 'customer')
                    THEN told.birth_year END AS birth_year
    ) fits
    WHERE num_nonnulls(fits.name, fits.language, fits.country, fits.city, fits.zone, fits.birth_year) > 0
    ORDER BY c.id FOR NO KEY UPDATE OF c
)
UPDATE crm_customer c
SET name = coalesce(filled.name, c.name),
    language = coalesce(filled.language, c.language),
    country = coalesce(filled.country, c.country),
    city = coalesce(filled.city, c.city),
    zone = coalesce(filled.zone, c.zone),
    birth_year = coalesce(filled.birth_year, c.birth_year),
    origins = c.origins || (
        SELECT jsonb_object_agg(field, %(origin)s::jsonb)
        FROM unnest(array[
            CASE WHEN filled.name IS NOT NULL THEN 'name' END,
            CASE WHEN filled.language IS NOT NULL THEN 'language' END,
            CASE WHEN filled.country IS NOT NULL THEN 'country' END,
            CASE WHEN filled.city IS NOT NULL THEN 'city' END,
            CASE WHEN filled.zone IS NOT NULL THEN 'zone' END,
            CASE WHEN filled.birth_year IS NOT NULL THEN 'birth_year' END
        ]) AS field
        WHERE field IS NOT NULL
    )
FROM filled WHERE c.id = filled.id
