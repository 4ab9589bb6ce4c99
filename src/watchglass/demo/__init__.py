"""A SYSTEM TO WATCH: a real pipeline and a real served model with planted faults."""
