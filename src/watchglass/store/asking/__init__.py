"""A question about a store → its answer: SQL over documented views, one prediction by its id, the latest rows, saved questions."""
