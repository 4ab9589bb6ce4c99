"""Who read what → who made it, and what came of it: reads resolved to writes, walked up to the sources and down to the predictions."""
