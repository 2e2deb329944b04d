"""A Shopify shop: its orders and its customers."""
