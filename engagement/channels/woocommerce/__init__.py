"""A WooCommerce shop: its orders, its customers, and the notes that it sends them."""
