-- Inserts the identities nobody has seen, each with a customer of its own.
-- The customer's id is drawn first and its row written only for identities that were really inserted:
-- a second worker with the same new person waits on the unique key (network, issuer, external_id), then does
-- nothing. The foreign key to the customer is checked at commit. What the source told has its origin; a name
-- made of a handle has none, so that the first real name takes its place.
WITH incoming AS (
    SELECT a.*
    FROM jsonb_to_recordset(%(authors)s::jsonb) AS a (
        network text, issuer text, external_id text, handle text, name text, verified boolean,
        language text, country text, city text, zone text, birth_year smallint
    )
    LEFT JOIN crm_identity i USING (network, issuer, external_id)
    WHERE i.id IS NULL
    ORDER BY a.network, a.issuer, a.external_id
), drawn AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('crm_customer', 'id')) AS customer_id, incoming.* FROM incoming
), written AS (
    INSERT INTO crm_identity (network, issuer, external_id, handle, name, verified, source, created_at,
                              home_customer_id, customer_id)
    SELECT network, issuer, external_id, handle, name, coalesce(verified, false), %(source)s, statement_timestamp(),
           customer_id, customer_id
    FROM drawn
    ON CONFLICT (network, issuer, external_id) DO NOTHING
    RETURNING customer_id
)
INSERT INTO crm_customer (id, kind, name, language, country, city, zone, birth_year, job, company, note, stage,
                          profiling_refused, created_at, origins)
SELECT d.customer_id, 'person', left(coalesce(nullif(d.name, ''), nullif(d.handle, ''), d.external_id), 200),
       coalesce(d.language, ''), coalesce(d.country, ''), coalesce(d.city, ''), coalesce(d.zone, ''), d.birth_year,
       '', '', '', 'awareness', false, statement_timestamp(),
       coalesce((
           SELECT jsonb_object_agg(field, %(origin)s::jsonb)
           FROM unnest(array[
               CASE WHEN d.name <> '' THEN 'name' END,
               CASE WHEN d.language <> '' THEN 'language' END,
               CASE WHEN d.country <> '' THEN 'country' END,
               CASE WHEN d.city <> '' THEN 'city' END,
               CASE WHEN d.zone <> '' THEN 'zone' END,
               CASE WHEN d.birth_year IS NOT NULL THEN 'birth_year' END
           ]) AS field
           WHERE field IS NOT NULL
       ), '{}'::jsonb)
FROM drawn d JOIN written USING (customer_id)
