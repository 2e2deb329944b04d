-- Texts of %(customers)s in which they may say what they do or like, oldest first: those that hold a few words of such
-- sentences, and answers to surveys with what was asked. Nobody who refused profiling is read, and no organization; a
-- call's text may be somebody else's words. Plain pieces of text are found in a fifth of the time of a pattern.
-- Reads engagement_interaction by engagement_int_customer and crm_customer by key.
SELECT i.customer_id, i.occurred_at, left(i.text, 2000) AS text,
    CASE WHEN i.kind = 'survey' THEN i.subject ELSE '' END AS question
FROM crm_customer c
JOIN engagement_interaction i ON i.customer_id = c.id
WHERE c.id = ANY(%(customers)s::bigint[])
    AND c.kind = 'person' AND NOT c.profiling_refused AND c.merged_into_id IS NULL
    AND i.direction = 'inbound' AND i.deleted_at IS NULL AND NOT i.is_automatic
    AND i.kind IN ('message', 'comment', 'mention', 'review', 'survey')
    AND (
        (i.kind = 'survey' AND i.subject <> '')
        OR lower(left(i.text, 2000)) LIKE ANY (%(pieces)s::text[])
    )
ORDER BY i.customer_id, i.occurred_at, i.id
