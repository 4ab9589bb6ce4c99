"""Predictions and the rules of sampling → those that are kept, each with the whole number of rows that it stands for.

A rule is a dict, as in WATCHGLASS_SAMPLING, in `wg.init(sampling=[…])` and in a store's settings.json. The first rule
whose glob fits the model's name wins; without one every row is kept:

- `{"model": "fraud*", "method": "head", "rate": 0.1}` keeps a tenth. Which rows is told by a hash of the trace, or of the
  id without one: every process and every service keeps the same ones.
- `{"model": "*", "method": "head", "key": "country", "rates": {"IT": 0.5, "*": 0.01}}` has a rate for each value of a
  tag, or else of a feature; a value without a rate, where there is no "*", is kept whole.
- `{"model": "*", "method": "reservoir", "rows": 100, "seconds": 60}` keeps a hundred rows of each minute (with "key": of
  each minute and value), all alike likely. They wait in memory until the minute ends: a kill loses them, an end of the
  process does not.
- each with `"keep": {"errors": true, "slower_than": 0.5}`: a row with an error, or with a latency above half a second, is
  kept for certain and stands for itself.

A weight is 1/rate (in a reservoir rows/kept) rounded at random to a neighbouring whole number, so that its expectation
is exact: sums of weights are unbiased counts. Labels are never left out. Rows that a rule leaves out are no drops;
`skipped()` counts them.
"""

from __future__ import annotations

import json
import random
import threading
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Final

from watchglass.capture import drops
from watchglass.capture.encode import line
from watchglass.capture.events import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from watchglass.capture.rules import Rule

MOST_KEYS: Final = 1000
MOST_BYTES: Final = 64 << 20
_UNIT: Final = 1 / (1 << 64)
_skipped: dict[str, int] = {}
_counting = threading.RLock()  # re-entrant: a signal handler may record while this thread counts


def skipped() -> dict[str, int]:
    """Count, by model, the predictions that this process was given and that a rule left out."""
    with _counting:
        return dict(_skipped)


def _skip(model: str, rows: int = 1) -> None:
    with _counting:
        _skipped[model] = _skipped.get(model, 0) + rows


def chances(text: str) -> tuple[float, float]:
    """Give two independent numbers from 0 up to 1 that depend on a text alone.

    >>> chances("0198c0de") == chances("0198c0de"), 0 <= min(chances("x"))
    (True, True)
    """
    both = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return int.from_bytes(both[:8], "big") * _UNIT, int.from_bytes(both[8:], "big") * _UNIT


def rounded(weight: float, chance: float) -> int:
    """Round to a neighbouring whole number, up for a chance below the fraction.

    >>> rounded(2.5, 0.49), rounded(2.5, 0.51), rounded(4.0, 0.0)
    (3, 2, 4)
    """
    whole = int(weight)
    return whole + (chance < weight - whole)


def head(rate: float, text: str) -> int:
    """Give the weight of a row that is known by a text; 0: it is left out."""
    if rate >= 1:
        return 1
    chosen, chance = chances(text)
    return rounded(1 / rate, chance) if chosen < rate else 0


@dataclass(slots=True)
class Reservoir:
    """At most `size` rows of those that came since `begun`, each alike likely to be held (Algorithm R, Vitter 1985)."""

    size: int
    begun: float
    came: int = 0
    held: list[bytes] = field(default_factory=list)

    def place(self) -> int | None:
        """Count one more row; says where it goes, None when it is left out."""
        self.came += 1
        if self.came <= self.size:
            return self.came - 1
        chosen = random.randrange(self.came)  # noqa: S311 - chance, no secret
        return chosen if chosen < self.size else None

    def weighted(self) -> list[tuple[bytes, int]]:
        """Give each row that is held with its weight; the weights add up to the rows that came."""
        each, rest = divmod(self.came, max(len(self.held), 1))
        more = set(random.sample(range(len(self.held)), rest)) if rest else set()
        return [(row, each + (place in more)) for place, row in enumerate(self.held)]


class Sampler:
    """The rules in force, and the rows that reservoirs hold until `write` takes them."""

    def __init__(self, rules: Sequence[Rule], write: Callable[[Mapping[str, object]], object]) -> None:
        self.rules = tuple(rules)
        self._write = write
        self._by_model: dict[str, Rule | None] = {}
        self._reservoirs: dict[tuple[str, str], Reservoir] = {}
        self._bytes = 0
        self._over = False
        self._lock = threading.RLock()

    def rule(self, model: str) -> Rule | None:
        """Give the first rule whose glob fits a model."""
        try:
            return self._by_model[model]
        except KeyError:
            found = next((rule for rule in self.rules if fnmatchcase(model, rule.model)), None)
            if len(self._by_model) < MOST_KEYS:
                self._by_model[model] = found
            return found

    def decide(self, event: dict[str, object]) -> bool:
        """Say whether a prediction is to be written now, its weight put in; where a rule cannot be heeded, it is."""
        try:
            return self._keeps(event)
        except Exception as error:  # noqa: BLE001 - whatever an odd value does while it is looked at, the host's work goes on
            drops.warn("sampling", f"a prediction of {event['model']!r} is kept: {type(error).__name__}: {error}")
            return True

    def _keeps(self, event: dict[str, object]) -> bool:
        model = str(event["model"])
        rule = self.rule(model)
        if rule is None or rule.certain(event):
            return True
        if rule.method == "reservoir":
            return not self._hold(rule, model, event)
        rate = rule.rate if rule.key is None else rule.rate_of(_value(event, rule.key))
        weight = head(rate, text_of(event.get("trace") or event["id"])) if rate > 0 else 0
        if not weight:
            _skip(model)
            return False
        if weight > 1:
            event["weight"] = weight
        return True

    def sift(self, events: Iterable[dict[str, object]]) -> Iterator[dict[str, object]]:
        """Give those of many predictions that are to be written now."""
        return (event for event in events if self.decide(event))

    def _hold(self, rule: Rule, model: str, event: dict[str, object]) -> bool:
        """Offer a row to its reservoir; no when there are none any more, and the row is to be written at once."""
        key = "" if rule.key is None else _value(event, rule.key)
        with self._lock:
            if self._over:
                return False
            if (model, key) not in self._reservoirs and len(self._reservoirs) >= MOST_KEYS:
                key = ""  # values without end share one reservoir
            reservoir = self._reservoirs.get((model, key))
            if reservoir is None:
                reservoir = self._reservoirs[model, key] = Reservoir(rule.rows, monotonic())
            place = reservoir.place()
            try:
                data = b"" if place is None else line(event)  # as the features are now: the caller may change them
            except Exception:
                reservoir.came -= 1
                raise
            if place is None or place < len(reservoir.held):
                _skip(model)
            if place is not None:
                self._put(reservoir, place, data)
            return True

    def _put(self, reservoir: Reservoir, place: int, data: bytes) -> None:
        if place == len(reservoir.held):
            reservoir.held.append(data)
        else:
            self._bytes -= len(reservoir.held[place])
            reservoir.held[place] = data
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:
            self.finish()

    def look(self) -> None:
        """Write the rows of each reservoir whose interval is over."""
        with self._lock:
            now = monotonic()
            for place in list(self._reservoirs):
                rule, begun = self.rule(place[0]), self._reservoirs[place].begun
                if rule is None or now - begun >= rule.seconds:
                    self._empty(place)

    def finish(self, *, for_good: bool = False) -> None:
        """Write what all reservoirs hold: their intervals end now; for good, a later row is written at once."""
        with self._lock:
            self._over = self._over or for_good
            for place in list(self._reservoirs):
                self._empty(place)

    def _empty(self, place: tuple[str, str]) -> None:
        for data, weight in self._reservoirs.pop(place).weighted():
            self._bytes -= len(data)
            event = json.loads(data)
            if weight > 1:
                event["weight"] = weight
            self._write(event)

    def before_fork(self) -> None:
        """Let a row that another thread hands over arrive first."""
        self._lock.acquire()

    def after_fork_in_parent(self) -> None:
        """Go on as before."""
        self._lock.release()

    def after_fork_in_child(self) -> None:
        """Leave to the parent what it holds."""
        self._lock = threading.RLock()
        self._reservoirs = {}
        self._bytes = 0


def _value(event: Mapping[str, object], key: str) -> str:
    """Give the value of a tag, or else of a feature, as text; nothing where there is neither."""
    for role in ("tags", "features"):
        values: Mapping[str, object] = event.get(role) or {}  # type: ignore[assignment]  # mappings, as they were put there
        if values.get(key) is not None:
            return text_of(values[key])
    return ""
