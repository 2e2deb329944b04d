"""The chat on the business's own website."""
