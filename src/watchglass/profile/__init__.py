"""ROWS → CELLS: pure functions that summarise columns into counts which merge exactly."""
