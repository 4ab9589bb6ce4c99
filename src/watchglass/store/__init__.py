"""EVENTS → TABLES AND CELLS: the only folder that holds SQL: log, tables, catalog, queries."""
