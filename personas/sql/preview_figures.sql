-- What the customers in preview_found are like: expected revenue of a year and over how many, how many may be
-- mailed for a purpose (the newest answer of an e-mail identity; a refusal of the person covers all), and how
-- they sounded in 90 days and over how many. Reads crm_consent by customer, the rest by keys.
SELECT
    avg(p.value_365) AS value,
    count(p.value_365) AS valued,
    count(*) FILTER (WHERE (
        SELECT x.given FROM crm_consent x JOIN crm_identity i ON i.id = x.identity_id
        WHERE x.customer_id = f.id AND x.purpose = %(purpose)s AND (x.whole_person OR i.network = 'email')
        ORDER BY x.at DESC, x.whole_person DESC, x.given, x.id DESC LIMIT 1
    )) AS mailable,
    avg(t.sentiment_90) AS mood,
    count(t.sentiment_90) AS moods
FROM preview_found f
LEFT JOIN personas_prediction p ON p.customer_id = f.id
LEFT JOIN personas_traits t ON t.customer_id = f.id
