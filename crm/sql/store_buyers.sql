-- Inserts the buyers nobody has seen, each with a customer of its own (see engagement/sql/store_identities.sql
-- for how two workers with the same new person end with one).
WITH incoming AS (
    SELECT a.*
    FROM jsonb_to_recordset(%(authors)s::jsonb) AS a (
        network text, issuer text, external_id text, handle text, name text, language text, country text,
        city text, birth_year smallint
    )
    LEFT JOIN crm_identity i USING (network, issuer, external_id)
    WHERE i.id IS NULL
    ORDER BY a.network, a.issuer, a.external_id
), drawn AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('crm_customer', 'id')) AS customer_id, incoming.* FROM incoming
), written AS (
    INSERT INTO crm_identity (network, issuer, external_id, handle, name, verified, source, created_at,
                              home_customer_id, customer_id)
    SELECT network, issuer, external_id, handle, name, false, %(source)s, statement_timestamp(), customer_id, customer_id
    FROM drawn
    ON CONFLICT (network, issuer, external_id) DO NOTHING
    RETURNING customer_id
)
INSERT INTO crm_customer (id, kind, name, language, country, city, zone, birth_year, job, company, note, stage,
                          profiling_refused, created_at)
SELECT d.customer_id, 'person', coalesce(nullif(d.name, ''), d.handle), d.language, d.country, d.city, '',
       d.birth_year, '', '', '', 'purchase', false, statement_timestamp()
FROM drawn d JOIN written USING (customer_id)
