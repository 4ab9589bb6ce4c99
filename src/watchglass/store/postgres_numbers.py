"""PostgreSQL's numeric, which a sum of whole numbers is → a whole number of Python, as SQLite gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.adapt import Loader

if TYPE_CHECKING:
    from psycopg.abc import Buffer


class Number(Loader):
    """Read a numeric as an int where it is whole, else as a float."""

    def load(self, data: Buffer) -> int | float:
        """Give the number that a text of ASCII says."""
        text = bytes(data)
        try:
            return int(text)
        except ValueError:
            return float(text)
