"""What can go wrong, as one tree: each error names the thing, the value, what would do, and the next step.

::

    WatchglassError
    ├── StoreError (OSError)              the directory cannot be read or written
    │   ├── StoreTooNew                   it was written by a newer version of the package
    │   └── LeaseLost                     another process took over what this one was publishing (store/leases.py)
    ├── UnknownName (LookupError)         a model, incident, component or column that is not recorded
    ├── BadInput (ValueError)             a value, file or column that cannot be taken as it is
    ├── NotEmpty (ValueError)             a replay into a model that has rows
    ├── QueryRefused (ValueError)         a question that is not exactly one SELECT
    ├── Blocked (RuntimeError)            a test of level block failed around a component; it read what was retracted
    ├── ServiceFailed (RuntimeError)      the demonstration's service did not start or answer (demo/client.py)
    └── MissingLibrary (ImportError)      an optional library is not installed
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Self


class WatchglassError(Exception):
    """The root: catch this to catch all that watchglass raises on purpose."""


class StoreError(WatchglassError, OSError):
    """The store's directory cannot be read or written."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class StoreTooNew(StoreError):
    """The store was written by a newer version of the package."""


class UnknownName(WatchglassError, LookupError):
    """A name that is not recorded, with the nearest one that is."""

    @classmethod
    def named(cls, noun: str, name: str, known: Iterable[str], *, step: str) -> Self:
        """Say which name is not known, the nearest one, the known ones, and the next step.

        >>> str(UnknownName.named("model", "digts", ["digits", "fraud"], step="watchglass models"))
        "no model 'digts' is recorded. Did you mean 'digits'? Known: digits, fraud. Next: watchglass models"
        """
        from difflib import get_close_matches  # noqa: PLC0415 - only where a name is wrong

        names = sorted(known)
        near = get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")  # noqa: PLR2004 - one line
        return cls(f"no {noun} {name!r} is recorded.{hint} Known: {shown or 'none yet'}. Next: {step}")


class BadInput(WatchglassError, ValueError):
    """A value, a file or a column that cannot be taken as it is."""


class NotEmpty(WatchglassError, ValueError):
    """A replay into a model that has rows already."""


class QueryRefused(WatchglassError, ValueError):
    """A question that is not exactly one SELECT over the views."""


class Blocked(WatchglassError, RuntimeError):
    """A test of level block failed before a component began or after it had ended, or a run that wants so read what was retracted."""


class MissingLibrary(WatchglassError, ImportError):
    """An optional library is not installed."""


def need(module: str, *, extra: str, to: str) -> ModuleType:
    """Import an optional library, or raise `MissingLibrary` with the very pip line.

    >>> need("json", extra="demo", to="read JSON").__name__
    'json'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        package = {"sklearn": "scikit-learn"}.get(module.partition(".")[0], module.partition(".")[0])
        message = f"to {to}, install {package}:  pip install 'watchglass[{extra}]'"
        raise MissingLibrary(message, name=module) from error
