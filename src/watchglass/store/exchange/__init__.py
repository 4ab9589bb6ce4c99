"""A STORE → FILES THAT ANY TOOL READS, AND BACK: Parquet, CSV, JSON lines or a Delta table, with a manifest; taken in once, whatever happens."""
