"""Commands of personas."""
