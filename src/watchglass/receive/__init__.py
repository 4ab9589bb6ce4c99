"""OTHERS' PROTOCOLS → EVENTS: what comes over HTTP is checked line by line, made complete, and committed by groups to the two logs."""
