"""The prototypes of the statistics beside the checkout → their functions, to be run on the very draws of a benchmark.

They are read by path from `../shared/prototypes/statistics` (`WATCHGLASS_BENCH_PROTOTYPES` names another folder)
where they lie there; no line of them is in this project. A script's definitions are taken, its last calls are not run.
"""

from __future__ import annotations

import ast
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from bench.alarms_streams import REFERENCE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.alarms_streams import Draw

FOLDER = Path(
    os.environ.get("WATCHGLASS_BENCH_PROTOTYPES", Path(__file__).parents[2] / "shared" / "prototypes" / "statistics")
)
BUDGET = 365.0


def there() -> bool:
    """Say whether the prototypes can be run."""
    return (FOLDER / "ted2.py").exists()


@cache
def definitions(name: str) -> ModuleType:
    """Load a script's imports, constants and functions; expressions and blocks that run something are left out."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    kinds = (ast.Import, ast.ImportFrom, ast.Assign, ast.FunctionDef, ast.ClassDef)
    tree.body = [part for part in tree.body if isinstance(part, kinds)]
    module = ModuleType(name)
    exec(compile(tree, name, "exec"), module.__dict__)
    return module


class Told(NamedTuple):
    """The prototype's functionals of a draw: values (W, J), names, weights, the noise of rows alone."""

    z: NDArray[np.float64]
    names: list[str]
    weights: NDArray[np.float64]
    floor: NDArray[np.float64]


class Functionals:
    """The prototype's functionals, learnt from the reference of a draw."""

    def __init__(self, of: Draw) -> None:
        """Learn bins and buckets from the reference rows."""
        self._panel = definitions("panel")
        self._numbers, self._categories = list(of.numbers), list(of.categories)
        reference = self._frame(of)[of.reference]
        self._coder = self._panel.Coder(reference, self._numbers, self._categories)
        window = of.window[of.reference]
        self._extra = {name: self._panel.Extra(reference[name].to_numpy(), window, REFERENCE) for name in self._numbers}
        self._floor = 1 / np.sqrt(len(of.window) / of.windows)

    @staticmethod
    def _frame(of: Draw) -> pd.DataFrame:
        return pd.DataFrame({**of.numbers, **of.categories})

    def told(self, of: Draw) -> Told:
        """Give the functionals of a draw with the same reference."""
        frame = self._frame(of)
        counts = self._panel.counts(self._coder.codes(frame), of.window, of.windows)
        extra = {name: self._extra[name](frame[name].to_numpy(), of.window, of.windows) for name in self._numbers}
        z, names, weights = self._panel.functionals2(
            counts, extra, self._numbers, self._categories, np.arange(REFERENCE)
        )
        return Told(z, names, weights, np.full(z.shape[1], self._floor))
