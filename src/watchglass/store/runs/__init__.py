"""The catalog's runs → lists of them, one with all that is known of it, a component's history, two compared, the whole at a time."""
