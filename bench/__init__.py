"""The promises about speed, size and memory → what was measured, with the limit that was measured in the same run beside it."""
