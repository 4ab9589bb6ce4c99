"""LABELS AND IDS → WHAT THEY CHANGE: the earliest row of an id is counted, its latest label is the truth, both may be taken back."""
