-- The conversations that refresh_conversations writes, locked in order of id before it looks: those of these
-- interactions, and those that hold an answer to one of them. A statement of its own, so that the next one sees
-- whatever a merge wrote while this one waited.
-- Reads engagement_interaction by (account, in_reply_to).
WITH new AS (
    SELECT account_id, conversation_id, external_id, direction
    FROM engagement_interaction WHERE id = ANY(%(ids)s)
), touched AS (
    SELECT conversation_id AS id FROM new WHERE conversation_id IS NOT NULL
    UNION
    SELECT answer.conversation_id
    FROM new JOIN engagement_interaction answer
        ON answer.account_id = new.account_id AND answer.in_reply_to = new.external_id AND answer.in_reply_to <> ''
    WHERE new.direction = 'inbound' AND answer.conversation_id IS NOT NULL
)
SELECT c.id FROM engagement_conversation c JOIN touched USING (id) ORDER BY c.id FOR NO KEY UPDATE OF c
