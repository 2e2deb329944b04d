-- Inserts the identities nobody has seen, each with a customer of its own.
-- The customer's id is drawn first and its row written only for identities that were really inserted:
-- a second worker with the same new person waits on the unique key (network, issuer, external_id), then does
-- nothing. The foreign key to the customer is checked at commit.
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
                          profiling_refused, created_at)
SELECT d.customer_id, 'person', coalesce(nullif(d.name, ''), nullif(d.handle, ''), d.external_id),
       coalesce(d.language, ''), coalesce(d.country, ''), coalesce(d.city, ''), coalesce(d.zone, ''), d.birth_year,
       '', '', '', 'awareness', false, statement_timestamp()
FROM drawn d JOIN written USING (customer_id)
