"""Mastodon, and the servers that speak its API: mentions and direct messages of one account."""
