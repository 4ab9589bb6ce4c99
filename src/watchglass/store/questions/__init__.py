"""A question of the field by its name → a table: twenty that come with the package, and those that users saved."""
