"""Columns declared or seen, and values that do not fit → what is registered of a model, how it changed, and what was kept aside."""
