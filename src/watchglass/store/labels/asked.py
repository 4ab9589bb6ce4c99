"""A SELECT → the same rows in an order of their own, each with how many there are, so that pages of them make a whole."""

from __future__ import annotations

from typing import Final

ALL: Final = "rows of the whole answer"
"""The column that says how many."""


def in_order(query: str) -> str:
    r"""Write the SELECT whose pages can be put together.

    >>> in_order("SELECT id FROM labels;")
    'SELECT *, count(*) OVER () AS "rows of the whole answer" FROM (SELECT id FROM labels\n) ORDER BY ALL'
    """
    within = query.strip().rstrip("; \n")
    return f'SELECT *, count(*) OVER () AS "{ALL}" FROM ({within}\n) ORDER BY ALL'
