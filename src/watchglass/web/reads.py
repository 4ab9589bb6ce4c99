"""What the pages and the API ask: an open store, as `wg.open` gives it; any object that answers the same will do."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from watchglass.reading import Store

Reads: TypeAlias = "Store"
