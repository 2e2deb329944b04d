-- The conversations that thread keys lead to, with one key that leads there and everybody who wrote in them or was
-- written to: authors, participants, the owner, and the copies of what we sent. A key of the form mail:<id> also
-- leads where the interaction of that id is.
-- Reads engagement_thread by (account, thread_key) and (conversation), engagement_interaction by (account,
-- external_id) and (conversation, occurred_at, id), engagement_delivery by conversation.
WITH asked AS (
    SELECT key FROM unnest(%(keys)s::text[]) AS key
), led AS (
    SELECT asked.key, t.conversation_id
    FROM asked JOIN engagement_thread t ON t.account_id = %(account)s AND t.thread_key = asked.key
    WHERE t.conversation_id IS NOT NULL
    UNION
    SELECT asked.key, i.conversation_id
    FROM asked JOIN engagement_interaction i
        ON i.account_id = %(account)s AND i.external_id = substr(asked.key, strpos(asked.key, ':') + 1)
    WHERE i.conversation_id IS NOT NULL
), first AS (
    SELECT DISTINCT ON (key) key, conversation_id FROM led ORDER BY key, conversation_id
)
SELECT first.key, c.id AS conversation_id, c.subject,
       coalesce((SELECT thread_key FROM engagement_thread t WHERE t.conversation_id = c.id ORDER BY id LIMIT 1), '')
           AS thread_key,
       ARRAY(
           SELECT DISTINCT person.external_id FROM (
               SELECT identity_id FROM engagement_interaction i
               WHERE i.conversation_id = c.id AND identity_id IS NOT NULL
               UNION SELECT identity_id FROM engagement_participant p WHERE p.conversation_id = c.id
               UNION SELECT c.identity_id
           ) known JOIN crm_identity person ON person.id = known.identity_id
           UNION
           SELECT lower(copy.address)
           FROM engagement_delivery d,
                jsonb_array_elements_text(
                    coalesce(d.payload->'cc', '[]') || coalesce(d.payload->'bcc', '[]')
                ) AS copy(address)
           WHERE d.conversation_id = c.id
       ) AS people
FROM first JOIN engagement_conversation c ON c.id = first.conversation_id
