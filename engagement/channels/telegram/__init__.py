"""Telegram: one bot, read by webhook or by pulling, also as a connected bot of a business account."""
