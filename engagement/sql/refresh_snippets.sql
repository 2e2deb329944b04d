-- What a list shows of conversations in which something was edited or deleted: the last line, and the mood of the
-- last that the customer said. Conversations are locked by the caller.
-- Reads engagement_interaction by (conversation, occurred_at, id).
UPDATE engagement_conversation c
SET last_text = coalesce((
        SELECT left(coalesce(nullif(text, ''), subject), 200) FROM engagement_interaction
        WHERE conversation_id = c.id AND direction <> 'internal'
        ORDER BY occurred_at DESC, external_id DESC LIMIT 1
    ), ''),
    mood = (
        SELECT sentiment FROM engagement_interaction
        WHERE conversation_id = c.id AND direction = 'inbound'
        ORDER BY occurred_at DESC, external_id DESC LIMIT 1
    )
WHERE c.id = ANY(%(ids)s)
