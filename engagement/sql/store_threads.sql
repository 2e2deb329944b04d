-- Makes the threads of a page exist. A second worker with the same new thread waits here on the unique key.
INSERT INTO engagement_thread (account_id, thread_key)
SELECT %(account)s, key FROM unnest(%(keys)s::text[]) AS key ORDER BY key
ON CONFLICT (account_id, thread_key) DO NOTHING
