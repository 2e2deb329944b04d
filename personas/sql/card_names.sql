-- Which of some words are part of the name of a customer who is a person, in lower case.
-- Reads the names once; the words come as an array.
SELECT DISTINCT part AS word
FROM crm_customer c
CROSS JOIN LATERAL regexp_split_to_table(lower(c.name), '[^[:alpha:]''’-]+') AS part
WHERE c.kind = 'person' AND part = ANY(%(words)s::text[])
ORDER BY part
