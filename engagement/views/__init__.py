"""Pages of the inbox and of channels."""
