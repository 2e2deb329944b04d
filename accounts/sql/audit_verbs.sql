-- Every verb that stands in the audit trail, once: hops from one verb to the next by the index
-- accounts_audit_by_verb (verb, at, id) instead of reading the whole table.
WITH RECURSIVE known AS (
    (SELECT verb FROM accounts_auditentry ORDER BY verb LIMIT 1)
    UNION ALL
    SELECT (SELECT next.verb FROM accounts_auditentry next WHERE next.verb > known.verb ORDER BY next.verb LIMIT 1)
    FROM known
    WHERE known.verb IS NOT NULL
)
SELECT verb FROM known WHERE verb IS NOT NULL
