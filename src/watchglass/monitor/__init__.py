"""CELLS → VERDICTS: drift and performance judged window by window, pure."""
