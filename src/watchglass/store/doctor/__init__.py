"""A STORE → ITS HEALTH: what is wrong, what it means, what mends it; and the mending."""
