"""VERDICT → CAUSE: slices, what changed, which change fits."""
