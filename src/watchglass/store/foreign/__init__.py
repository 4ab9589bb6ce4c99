"""Others' databases → events of the store: what was recorded elsewhere, read without that system installed."""
