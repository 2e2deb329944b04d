-- New conversations, and the threads that lead to them. Answers which number got which id.
WITH drawn AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('engagement_conversation', 'id')) AS id, c.*
    FROM jsonb_to_recordset(%(conversations)s::jsonb) AS c (
        number int, thread_ids jsonb, subject text, is_public boolean, post_id bigint, at timestamptz
    )
), written AS (
    INSERT INTO engagement_conversation (id, account_id, team_id, subject, is_public, post_id, status, priority,
                                         created_at, first_at, last_at, last_text, last_direction, count)
    SELECT id, %(account)s, %(team)s, subject, is_public, post_id, 'open', 2, statement_timestamp(), at, at, '', '', 0
    FROM drawn
    RETURNING id
)
SELECT drawn.number, drawn.id FROM drawn JOIN written USING (id)
