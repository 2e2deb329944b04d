"""A WhatsApp number of the business, by Meta's Cloud API."""
