-- Points threads at their conversation; only those that had none.
UPDATE engagement_thread t
SET conversation_id = p.conversation_id
FROM jsonb_to_recordset(%(pairs)s::jsonb) AS p (thread_id bigint, conversation_id bigint)
WHERE t.id = p.thread_id AND t.conversation_id IS NULL
