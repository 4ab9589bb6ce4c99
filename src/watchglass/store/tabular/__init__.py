"""TWO TABLES → COUNTS: files, frames or chosen rows of a store, read a stretch at a time and counted side by side."""
