"""The manifest of a store's files → what is asked of it in more than one place."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from watchglass.store.catalog import files

POSITION: Final = sa.case((files.c.origin > 0, files.c.origin), else_=files.c.seq)
"""Where a file stands for those who follow the manifest: a file written anew stands where the newest that it holds stood."""
OUTLIVED: Final = "outlived:"
"""How the watermark of a model begins that names a file of cells which stays as it is: what is counted anew is held against it."""
