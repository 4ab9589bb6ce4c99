"""One look at a store → findings: what is wrong, what it means, what would mend it, and whether it was mended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import sqlalchemy as sa

from watchglass.errors import WatchglassError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

Severity: TypeAlias = Literal["error", "warning", "note"]
Progress: TypeAlias = "Callable[[int, int], None]"
YOUNG = 3600.0  # seconds: what is younger may belong to a process that is at work


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. `rows` are lost or in danger, of times from `first` to `last`."""

    severity: Severity
    what: str
    path: str
    means: str
    mend: str
    mended: bool = False
    rows: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What the doctor saw. A store is sound when no finding of severity "error" remains unmended."""

    path: str
    sound: bool
    mend: bool
    quick: bool
    files: int
    segments: int
    rows: int
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class Visit:
    """A store that is being looked at: what may be done, what was seen so far, what was found."""

    folder: Folder
    engine: Engine
    now: datetime
    mend: bool
    quick: bool
    progress: Progress | None = None
    files: int = 0
    segments: int = 0
    rows: int = 0
    recount: bool = False  # files were listed again: nobody knows whether the cells hold them
    findings: list[Finding] = field(default_factory=list)

    def found(self, finding: Finding, cure: Callable[[], object] | None = None) -> bool:
        """Keep a finding, mended first when that is wanted and there is a cure; says whether it is mended."""
        mended, means = False, finding.means
        if self.mend and cure is not None:
            try:
                cure()
                mended = True
            except (OSError, sa.exc.SQLAlchemyError, WatchglassError) as error:
                means = f"{means}. It could not be mended: {error}"
        self.findings.append(
            Finding(
                finding.severity,
                finding.what,
                finding.path,
                means,
                finding.mend,
                mended,
                finding.rows,
                finding.first,
                finding.last,
            )
        )
        return mended

    def shown(self, path: Path) -> str:
        """Name a path as it stands below the store."""
        return str(path.relative_to(self.folder.root))

    def is_young(self, path: Path) -> bool:
        """Say whether a file was touched so lately that a living process may be at it."""
        return path.stat().st_mtime > self.now.timestamp() - YOUNG

    def report(self) -> Report:
        """Sum up, the gravest first."""
        order = {"error": 0, "warning": 1, "note": 2}
        found = tuple(sorted(self.findings, key=lambda item: order[item.severity]))
        sound = all(item.mended or item.severity != "error" for item in found)
        return Report(str(self.folder.root), sound, self.mend, self.quick, self.files, self.segments, self.rows, found)
