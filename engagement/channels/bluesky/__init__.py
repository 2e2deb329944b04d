"""Bluesky: public posts by the AT Protocol, and direct messages by its chat service."""
