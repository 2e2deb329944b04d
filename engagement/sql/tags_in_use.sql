-- Every tag that conversations carry: how many do, and whether it counts as a reason for contact.
SELECT t.id, t.name, used.n, r.is_reason AS chosen, coalesce(r.is_reason, used.n >= %(used)s) AS counts
FROM crm_tag t
JOIN (SELECT tag_id, count(*) AS n FROM engagement_conversationtag GROUP BY tag_id) AS used ON used.tag_id = t.id
LEFT JOIN engagement_reasontag r ON r.tag_id = t.id
ORDER BY used.n DESC, t.name
