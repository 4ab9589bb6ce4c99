"""A file that cannot be trusted → the store's quarantine, with a note beside it that says where it lay and why."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from watchglass.store.folder import sync_file, sync_folder

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from watchglass.store.folder import Folder


def quarantine_of(folder: Folder) -> Path:
    """Name the place where the files that were set aside lie."""
    return folder.root / "quarantine"


def set_aside(folder: Folder, path: Path, why: str, now: datetime) -> Path:
    """Move a file into quarantine, its note first; gives where it lies now. Nothing is deleted or overwritten."""
    home = quarantine_of(folder)
    if not home.is_dir():
        home.mkdir()
        sync_folder(folder.root)
    target, tries = home / path.name, 0
    while target.exists() or _note_of(target).exists():
        tries += 1
        target = home / f"{path.stem}.{tries}{path.suffix}"
    note = _note_of(target)
    about = {"from": str(path.relative_to(folder.root)), "why": why, "time": now.isoformat()}
    note.write_text(json.dumps(about, indent=2) + "\n")
    sync_file(note)
    path.rename(target)
    sync_folder(home)
    sync_folder(path.parent)
    return target


def _note_of(path: Path) -> Path:
    return path.with_name(path.name + ".why.json")
