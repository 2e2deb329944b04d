-- First touches of the customers in nightly_batch: only what differs is written. Automatic interactions touch nobody.
-- Marks of campaigns (utm_campaign, utm_source) stand in a visit's properties or its address; spend_brought.sql reads
-- them alike. From nightly_said and engagement_visitcontent by key; writes by key.
WITH earliest AS MATERIALIZED (
    SELECT DISTINCT ON (customer_id) customer_id, interaction_id, at, network
    FROM nightly_said WHERE NOT is_automatic
    ORDER BY customer_id, at, interaction_id
), found AS MATERIALIZED (
    SELECT e.customer_id, e.at, e.network,
        left(lower(coalesce(
            nullif(v.properties ->> 'utm_campaign', ''), substring(v.url FROM '[?&]utm_campaign=([^&#]*)'), ''
        )), 1000) AS campaign,
        left(lower(coalesce(
            nullif(v.properties ->> 'utm_source', ''), substring(v.url FROM '[?&]utm_source=([^&#]*)'), ''
        )), 60) AS source
    FROM earliest e LEFT JOIN engagement_visitcontent v ON v.interaction_id = e.interaction_id
), gone AS (
    DELETE FROM personas_firsttouch t USING nightly_batch b
    WHERE t.customer_id = b.customer_id AND NOT EXISTS (SELECT FROM found f WHERE f.customer_id = t.customer_id)
)
INSERT INTO personas_firsttouch AS t (customer_id, at, network, campaign, source)
SELECT customer_id, at, network, campaign, source FROM found f
WHERE NOT EXISTS (
    SELECT FROM personas_firsttouch h
    WHERE h.customer_id = f.customer_id
        AND (h.at, h.network, h.campaign, h.source) = (f.at, f.network, f.campaign, f.source)
)
ON CONFLICT (customer_id) DO UPDATE
SET at = excluded.at, network = excluded.network, campaign = excluded.campaign, source = excluded.source
