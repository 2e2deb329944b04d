-- What another reader makes of some lines, where it differs and the line was not edited or deleted meanwhile. What a
-- person said of the mood stands. Customers are touched, days marked and moods of conversations told anew where more
-- than the reader's version changed. Reads engagement_interaction by id and by (conversation, occurred_at, id).
WITH told AS (
    SELECT t.*, ARRAY(SELECT jsonb_array_elements_text(t.topics)) AS names
    FROM jsonb_to_recordset(%(readings)s::jsonb) AS t (
        id bigint, language text, sentiment float8, reason text, topics jsonb, reader smallint, edited_at timestamptz,
        says_more boolean
    )
), written AS (
    UPDATE engagement_interaction i
    SET language = t.language, sentiment = CASE WHEN i.mood_by_staff THEN i.sentiment ELSE t.sentiment END,
        reason = t.reason, topics = t.names, reader = t.reader
    FROM told t
    WHERE i.id = t.id AND i.deleted_at IS NULL AND i.edited_at IS NOT DISTINCT FROM t.edited_at
    RETURNING i.id, i.customer_id, i.account_id, i.conversation_id, i.occurred_at, t.says_more
), touched AS (
    INSERT INTO crm_customertouch (customer_id, at)
    SELECT DISTINCT customer_id, statement_timestamp() FROM written
    WHERE customer_id IS NOT NULL AND says_more
), dirty AS (
    INSERT INTO engagement_dirtyday (account_id, day, at)
    SELECT DISTINCT account_id, (occurred_at AT TIME ZONE %(zone)s)::date, statement_timestamp() FROM written
    WHERE says_more
    ORDER BY 1, 2
    ON CONFLICT (account_id, day) DO UPDATE SET at = excluded.at
)
SELECT count(*) AS written, count(*) FILTER (WHERE says_more) AS changed,
       array_agg(DISTINCT conversation_id) FILTER (WHERE says_more AND conversation_id IS NOT NULL) AS conversations
FROM written
