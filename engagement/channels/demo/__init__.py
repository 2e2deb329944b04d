"""The channels of the demo workspace."""
