-- The threads of a page, locked in order of id: whoever adds to a conversation holds its threads.
SELECT id, thread_key, conversation_id
FROM engagement_thread
WHERE account_id = %(account)s AND thread_key = ANY(%(keys)s)
ORDER BY id
FOR NO KEY UPDATE
