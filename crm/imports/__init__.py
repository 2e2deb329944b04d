"""Customers, organizations and orders from files."""

from crm.imports.orders import KIND, REQUIRED, BadRow, order_of, store_rows
from crm.imports.registering import register_importers

__all__ = ["KIND", "REQUIRED", "BadRow", "order_of", "register_importers", "store_rows"]
