"""YOUR PROCESS → EVENTS: append what your code does to a log; standard library only, never raises into the caller."""
