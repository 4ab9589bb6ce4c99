"""The names of kept bytes → the same among the objects of a folder of backups, each once; those that are not there are left out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from watchglass.capture.keeping_place import FOLDER, place_of
from watchglass.errors import StoreError
from watchglass.store.life import backups
from watchglass.store.life.backups import Kept

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchglass.store.folder import Folder


def keep_artifacts(folder: Folder, home: Path, names: Iterable[str]) -> tuple[Kept, ...]:
    """Put kept bytes aside; gives those that are there. The doctor of the restored store tells the others.

    Raises `StoreError` when bytes are not what their name says.
    """
    found: list[Kept] = []
    for name in names:
        source = Path(place_of(str(folder.root), name))
        try:
            kept = Kept(f"{FOLDER}/{name[:2]}/{name}", source.stat().st_size, name.partition(".")[0])
            target = backups.kept_object_of(home, kept)
            if not target.exists() or target.stat().st_size != kept.bytes:
                backups.put(source, target, kept.sum)
        except FileNotFoundError:
            continue
        except StoreError as error:
            message = f"{error}: no backup was made. Put it back from an earlier one, or: watchglass doctor --mend"
            raise StoreError(message) from error
        found.append(kept)
    return tuple(found)
