"""One switch → what scikit-learn, pandas and polars do is recorded by itself, from the moment the user's own code imports them.

Inside a run, a fit, a prediction, a transformation, a read or a write is one of the run's reads and writes. Outside of one,
fits, reads and writes are runs of their own; predictions and transformations are not recorded there, as a service
makes millions of them (`wg.watch`, `wg.log_prediction` are for those). Of calls inside calls the outermost counts: fitting a Pipeline is
one fit. Nothing that a call gives or raises is changed, and `wg.auto(False)` takes everything back.
"""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import drops
from watchglass.capture.forking import whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    from watchglass.capture.auto_patches import Patches

LIBRARIES: Final = {
    "pandas": "watchglass.capture.auto_frames",
    "polars": "watchglass.capture.auto_frames",
    "sklearn.base": "watchglass.capture.auto_sklearn",
}


class _Finder:
    """Stands first among the import system's finders, and has a library patched when its import has ended."""

    def __init__(self) -> None:
        self._busy: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a library as the others do, and come by when it has been run."""
        if name not in LIBRARIES or name in self._busy:
            return None
        self._busy.add(name)
        try:
            others = (finder for finder in sys.meta_path if finder is not self and hasattr(finder, "find_spec"))
            spec = next((found for finder in others if (found := finder.find_spec(name, path, target))), None)
        finally:
            self._busy.discard(name)
        run = getattr(spec.loader, "exec_module", None) if spec is not None else None
        if spec is None or run is None:
            return spec

        def run_and_patch(module: ModuleType) -> None:
            cast("Callable[[ModuleType], None]", run)(module)
            vars(spec.loader).pop("exec_module", None)
            _patch(name, module)

        drops.shielded(
            "auto", f"{name} is not recorded", partial(setattr, spec.loader, "exec_module", run_and_patch), None
        )
        return spec


_finder: Final = _Finder()
_patches: dict[str, Patches] = {}
_on = False


def auto(on: bool = True) -> None:  # noqa: FBT001, FBT002 - a switch
    """Record by itself what scikit-learn, pandas and polars do, or stop doing so; also the setting `auto`.

    Libraries that are imported later are recorded too. A function that was taken out of its library before the switch,
    as by `from pandas import read_csv`, is not.
    """
    global _on  # noqa: PLW0603 - one switch for the process
    with whole:
        if on == _on:
            return
        _on = on
        if not on:
            if _finder in sys.meta_path:
                sys.meta_path.remove(_finder)
            while _patches:
                _patches.popitem()[1].undo()
            return
        sys.meta_path.insert(0, _finder)
        for name in LIBRARIES:
            module = sys.modules.get(name)
            if module is not None and not getattr(getattr(module, "__spec__", None), "_initializing", False):
                _patch(name, module)


def _patch(name: str, module: ModuleType) -> None:
    if not _on or name in _patches:
        return
    with whole:
        patches = cast("type[Patches]", import_module("watchglass.capture.auto_patches").Patches)()
    _patches[name] = patches
    patcher = cast("Callable[[ModuleType, Patches], None]", import_module(LIBRARIES[name]).patch)
    drops.shielded("auto", f"{name} is not recorded", partial(patcher, module, patches), None)
