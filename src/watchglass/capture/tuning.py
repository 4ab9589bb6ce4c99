"""A store's settings.json, or a server's → whether, from which level on and by which rules a running process records.

Looked at by the background thread every five seconds, so a change is in force within ten. A process that records into
a folder looks at `settings.json` there. One that records to a server asks it (`GET /api/v1/settings`, with the ETag of the
last answer, in a thread of its own) and keeps the answer beside its spool, where the next process finds it at its first
event; likewise which marks of quarantine and retraction there are (handed.py). What is not set, or cannot be read, leaves things as they are; a file that is gone gives back what `init` and the
environment said. A process that was started with WATCHGLASS_DISABLED is not asked again.
"""

from __future__ import annotations

import os
import threading
from _thread import start_new_thread
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar, cast

from watchglass.capture import drops
from watchglass.capture.forking import whole
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from watchglass.capture import redaction_rules
    from watchglass.capture.chosen import Chosen
    from watchglass.capture.handed import Marks
    from watchglass.capture.recorder import Recorder
    from watchglass.capture.redaction import Redactor
    from watchglass.capture.rules import Rule
    from watchglass.capture.sampling import Sampler
    from watchglass.capture.tuned import Tuned

PATH: Final = "/api/v1/settings"
ANSWER_SECONDS: Final = 3.0
_FRESH: Final = 200


class Tunable:
    """What of a recorder is tuned: whether it records, and its rules of sampling."""

    store: str
    disabled: bool
    ticks: ClassVar[list[Callable[[], None]]]
    sampler: Sampler | None = None
    redactor: Redactor | None = None
    tunable = False
    _full: object | None = None
    _hindered: bool

    def row(self, event: Mapping[str, object]) -> bool:
        """Append an event to the row log; says whether it is recorded."""
        raise NotImplementedError

    def start(self) -> None:
        """Have the background thread run."""
        raise NotImplementedError

    def has_room(self) -> bool:
        """Say whether an event may be recorded."""
        raise NotImplementedError

    def admitted(self, event: Mapping[str, object]) -> Mapping[str, object]:
        """Give an event as it may be written, by the rules of redaction in force; an empty one if it may not be."""
        if not self.has_room():
            return {}
        return event if self.redactor is None else self.redactor.event(event)

    def asleep(self) -> bool:
        """Record nothing, but go on looking whether that changes."""
        if self.tunable:
            self.start()
        return False

    def end_intervals(self, *, for_good: bool) -> None:
        """Write what reservoirs hold."""
        if self.sampler is not None:
            self.sampler.finish(for_good=for_good)

    def tune(self, *, disabled: bool) -> None:
        """Record no more, or from now on."""
        self.disabled = disabled
        self._hindered = disabled or self._full is not None or self.redactor is not None


R = TypeVar("R", bound=Tunable)


def _read(text: bytes, source: str) -> Tuned:
    with whole:  # no child inherits an import half done
        from watchglass.capture.tuned import read  # noqa: PLC0415 - only where there are settings
    return read(text, source)


def _rules(given: object) -> tuple[Rule, ...]:
    with whole:
        from watchglass.capture.rules import rules  # noqa: PLC0415 - only where there are rules
    return rules(given, "the argument or WATCHGLASS_SAMPLING")


def _redactor(given: object, more: Sequence[redaction_rules.Rule], *, own: bool = False) -> Redactor | None:
    """Make what redacts by a process's own rules and by those of the settings; raises `BadInput` for `own` ones that cannot be."""
    with whole:
        from watchglass import settings  # noqa: PLC0415 - only where there are rules
        from watchglass.capture.redaction import Redactor, check_key  # noqa: PLC0415 - likewise
        from watchglass.capture.redaction_rules import rules  # noqa: PLC0415 - likewise
    found, key = rules(given, "the argument or WATCHGLASS_REDACTION"), settings.resolve(settings.HASH_KEY)
    if own:
        check_key(found, key)
    return Redactor(dict.fromkeys((*found, *more)), key)


class Tuner:
    """Keeps one recorder as its settings say; what it records to may be a server."""

    def __init__(self, recorder: Tunable, chosen: Chosen) -> None:
        self._recorder = recorder
        self._url = chosen.place if "://" in chosen.place else None
        self._path = os.path.join(recorder.store, "settings.json")  # noqa: PTH118 - pathlib costs its import here
        self._own = _rules(chosen.sampling) if chosen.sampling else ()
        self._redaction = chosen.redaction
        if self._redaction:
            _redactor(self._redaction, (), own=True)
        self._seen: tuple[int, int, int] | None = None
        self._etag = ""
        self._level: str | None = None
        self._asking = False
        self._marks: Marks | None = None
        self._lock = threading.RLock()
        self._apply(None)

    @property
    def sampler(self) -> Sampler | None:
        """The rules in force."""
        return self._recorder.sampler

    def look(self) -> None:
        """See whether the settings changed, end the intervals of reservoirs that are over, and have the server asked."""
        self.look_at_file()
        sampler = self._recorder.sampler
        if sampler is not None:
            sampler.look()
        if self._url is not None and not self._asking:
            self._asking = True
            try:
                start_new_thread(self._ask, ())
            except RuntimeError:  # none starts while the interpreter ends
                self._asking = False

    def look_at_file(self) -> None:
        """Apply the file if it is another than the last one seen."""
        with self._lock:
            self._look_at_file()

    def _look_at_file(self) -> None:
        try:
            about = os.stat(self._path)  # noqa: PTH116 - pathlib costs its import here
            seen = (about.st_mtime_ns, about.st_ino, about.st_size)
        except OSError as error:
            if isinstance(error, (FileNotFoundError, NotADirectoryError)) and self._seen is not None:
                self._seen = None
                self._apply(None)
            return
        if seen == self._seen:
            return
        self._seen = seen
        try:
            with open(self._path, "rb") as file:  # noqa: PTH123 - likewise
                self._apply(_read(file.read(), self._path))
        except (OSError, BadInput) as error:
            drops.warn("settings", f"the settings stay as they were: {error}")

    def _apply(self, tuned: Tuned | None) -> None:
        here, before = self._recorder, self._recorder.sampler
        rules = self._own if tuned is None or tuned.sampling is None else tuned.sampling
        more = () if tuned is None or tuned.redaction is None else tuned.redaction
        here.redactor = _redactor(self._redaction, more) if self._redaction or more else None
        if (None if before is None else before.rules) != (rules or (None if here.redactor is None else ())):
            here.sampler = self._sampler(rules)
            if before is not None:
                before.finish(for_good=True)
        self._set_level(None if tuned is None else tuned.level)
        here.tune(disabled=tuned is not None and tuned.enabled is False)

    def _set_level(self, level: str | None) -> None:
        if level == self._level:
            return
        self._level = level
        with whole:
            from watchglass.capture.logs import set_level  # noqa: PLC0415 - only where a level is set
        set_level(level or "debug")

    def _sampler(self, rules: tuple[Rule, ...]) -> Sampler | None:
        if not rules and self._recorder.redactor is None:
            return None  # without one, a prediction goes straight into the log
        with whole:
            from watchglass.capture.sampling import Sampler  # noqa: PLC0415 - only where there are rules
            from watchglass.capture.schema import put  # noqa: PLC0415 - likewise
        recorder = cast("Recorder", self._recorder)
        return Sampler(rules, lambda event: put(recorder, event))

    def _ask(self) -> None:
        try:
            drops.shielded("settings", "the server's settings are not known", self._fetch, None)
            drops.shielded("marks", "what the server says is retracted is not known", self._fetch_marks, None)
        finally:
            self._asking = False

    def _fetch(self) -> None:
        with whole:
            from watchglass.capture.exchange import get  # noqa: PLC0415 - only with a server
            from watchglass.capture.handed import replaced  # noqa: PLC0415 - likewise
        headers = {"If-None-Match": self._etag} if self._etag else {}
        try:
            status, answered, body = get(str(self._url), PATH, headers, ANSWER_SECONDS)
            if status != _FRESH:
                return  # 304: as before; anything else: the last known holds
            _read(body, f"the answer of {self._url}")
            replaced(self._path, body)
        except OSError:
            return  # not there: the sender warns of that
        except BadInput as error:
            drops.warn("settings", f"the settings stay as they were: {error}")
            return
        self._etag = answered.get("etag", "")
        self.look_at_file()

    def _fetch_marks(self) -> None:
        if self._marks is None:
            with whole:
                from watchglass.capture.handed import Marks  # noqa: PLC0415 - only with a server
            self._marks = Marks(str(self._url), self._recorder.store)
        self._marks.fetch()

    def after_fork_in_child(self) -> None:
        """Ask anew from the child."""
        self._asking = False
        self._lock = threading.RLock()
        if self._recorder.sampler is not None:
            self._recorder.sampler.after_fork_in_child()


_in_use: Tuner | None = None


def attach(recorder: R, chosen: Chosen) -> R:
    """Keep a recorder as its settings say from now on, else as was chosen.

    Raises `BadInput` for rules of its own that cannot be.
    """
    global _in_use  # noqa: PLW0603 - a process has one recorder
    recorder.tunable = True
    tuner = Tuner(recorder, chosen)
    tuner.look_at_file()
    _in_use = tuner
    if tick not in recorder.ticks:
        recorder.ticks.append(tick)
        # Later than the recorder's own, so it is called before: a row on its way from a reservoir reaches the log first.
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
        )
    return recorder


def tick() -> None:
    """Have the recorder in use look at its settings."""
    if _in_use is not None:
        _in_use.look()


_held: Sampler | None = None


def _before_fork() -> None:
    global _held  # noqa: PLW0603 - what was held is let go, whatever was changed meanwhile
    _held = _in_use.sampler if _in_use is not None else None
    if _held is not None:
        _held.before_fork()


def _after_fork_in_parent() -> None:
    if _held is not None:
        _held.after_fork_in_parent()


def _after_fork_in_child() -> None:
    if _in_use is not None:
        _in_use.after_fork_in_child()
