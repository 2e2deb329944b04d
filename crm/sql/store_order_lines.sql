-- The lines of orders that were just stored or changed, in place of those they had. Orders that come without
-- lines keep theirs.
WITH incoming AS (
    SELECT * FROM jsonb_to_recordset(%(lines)s::jsonb) AS l (
        order_id bigint, position smallint, sku text, title text, category text, units int, price numeric
    )
), gone AS (
    DELETE FROM crm_orderline old
    WHERE old.order_id = ANY(%(orders)s)
      AND EXISTS (SELECT 1 FROM incoming i WHERE i.order_id = old.order_id)
      AND NOT EXISTS (SELECT 1 FROM incoming i WHERE i.order_id = old.order_id AND i.position = old.position)
)
INSERT INTO crm_orderline (order_id, position, sku, title, category, units, price)
SELECT order_id, position, sku, title, category, units, price FROM incoming
ON CONFLICT (order_id, position) DO UPDATE
SET sku = excluded.sku, title = excluded.title, category = excluded.category, units = excluded.units,
    price = excluded.price
