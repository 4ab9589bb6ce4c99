"""An open store → what it takes over from other systems' databases: `store.import_mltrace(…)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder
    from watchglass.store.foreign.moving import Moved


class Moving:
    """What of an open store takes over from elsewhere."""

    _folder: Folder
    _engine: Engine

    def import_mltrace(
        self,
        url: str,
        *,
        prefix: str = "mltrace",
        zone: str = "UTC",
        progress: Callable[[int, int], None] | None = None,
    ) -> Moved:
        """Take over an mltrace database (extra `postgres`; mltrace itself is not needed); again, only what is new comes.

        `url` is postgresql://user:password@host:5432/name. Run 17 becomes the run `<prefix>-17`; two databases take two
        prefixes. `zone` is the time zone of its times, which have none: mltrace writes UTC. `progress` is told runs done and
        in all. Raises `BadInput` for what is no such database, `MissingLibrary`, and `StoreError` when it cannot be reached.
        """
        from watchglass.store.foreign.moving import move_mltrace  # noqa: PLC0415 - costs only who moves in

        return move_mltrace(self._folder, self._engine, url, prefix, zone, progress)
