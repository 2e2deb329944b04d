"""A professional Instagram account: comments, mentions and direct messages, by Instagram Login."""
