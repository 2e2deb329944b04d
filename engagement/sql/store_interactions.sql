-- The interactions of a page, numbered in its order, so that lines of one moment stand as the network gave them.
-- What another worker stored meanwhile is left as it is.
INSERT INTO engagement_interaction (
    account_id, external_id, conversation_id, team_id, identity_id, home_customer_id, customer_id, staff_name,
    kind, direction, is_public, is_automatic, occurred_at, received_at, subject, text, rating, in_reply_to, post_id,
    object_key, language, sentiment, reason, topics, reader
)
SELECT
    %(account)s, i.external_id, i.conversation_id, coalesce(c.team_id, %(team)s), i.identity_id, i.home_customer_id,
    i.customer_id, i.staff_name, i.kind, i.direction, i.is_public, i.is_automatic, i.occurred_at,
    statement_timestamp(), i.subject, i.text, i.rating, i.in_reply_to, i.post_id, i.object_key, i.language,
    i.sentiment, i.reason, ARRAY(SELECT jsonb_array_elements_text(i.topics)), i.reader
FROM ROWS FROM (jsonb_to_recordset(%(interactions)s::jsonb) AS (
    external_id text, conversation_id bigint, identity_id bigint, home_customer_id bigint, customer_id bigint,
    staff_name text, kind text, direction text, is_public boolean, is_automatic boolean, occurred_at timestamptz,
    subject text, text text, rating smallint, in_reply_to text, post_id bigint, object_key text, language text,
    sentiment float8, reason text, topics jsonb, reader smallint
)) WITH ORDINALITY AS i (
    external_id, conversation_id, identity_id, home_customer_id, customer_id, staff_name, kind, direction, is_public,
    is_automatic, occurred_at, subject, text, rating, in_reply_to, post_id, object_key, language, sentiment, reason,
    topics, reader, position
)
LEFT JOIN engagement_conversation c ON c.id = i.conversation_id
ORDER BY i.position
ON CONFLICT (account_id, external_id) DO NOTHING
RETURNING id, external_id, conversation_id
