"""Records of Python's logging → log events in the row log, with the run and trace around them."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import Final, Literal

from watchglass.capture import drops, recorder
from watchglass.capture.encode import plain
from watchglass.capture.runs import put_run
from watchglass.errors import BadInput

Level = Literal["debug", "info", "warning", "error", "critical"]
LEVELS: Final[dict[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_OURS: Final = "watchglass"
_threshold = logging.DEBUG
_inside: ContextVar[bool] = ContextVar("watchglass_logging", default=False)


def set_level(name: str) -> None:
    """Let only records of this level and above become events, in every `LogHandler` of this process.

    A store's settings.json may set it while a process runs. Raises `BadInput` for a level that is not known.
    """
    global _threshold  # noqa: PLW0603 - one for the process, and settings may change it while it runs
    found = LEVELS.get(str(name).strip().lower())
    if found is None:
        message = f"level cannot be {name!r}: {', '.join(LEVELS)} would do"
        raise BadInput(message)
    _threshold = found


class LogHandler(logging.Handler):
    """Records what is logged: `logging.getLogger().addHandler(wg.LogHandler())`.

    What Watchglass itself logs is not recorded, nor what is logged while a record is being recorded. Nothing is raised.
    """

    def createLock(self) -> None:  # noqa: N802 - logging's name
        """Do without a lock: recording has its own, which a signal handler may enter again."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record that the filters let pass; newer Pythons would enter the lock that is not there."""
        found: object = self.filter(record)
        if found:
            self.emit(found if isinstance(found, logging.LogRecord) else record)
        return bool(found)

    def emit(self, record: logging.LogRecord) -> None:
        """Record one."""
        if record.levelno < _threshold or _inside.get() or record.name.partition(".")[0] == _OURS:
            return
        token = _inside.set(True)
        try:
            recorder.current().row(self._event(record))
        except Exception as error:  # noqa: BLE001 - a message's arguments may do anything; the host's work goes on
            drops.count("log", f"a log record of {record.name!r} is dropped: {type(error).__name__}: {error}")
        finally:
            _inside.reset(token)

    def _event(self, record: logging.LogRecord) -> dict[str, object]:
        event: dict[str, object] = {
            "kind": "log",
            "message": self._message(record),
            "time": int(record.created * 1_000_000),
            "level": level_of(record.levelno),
            "logger": record.name,
        }
        put_run(event, None)
        return event

    def _message(self, record: logging.LogRecord) -> str:
        """Give the message as its formatter writes it; without one, the text and the trace of an exception."""
        if self.formatter is not None:
            return self.format(record)
        try:
            text = record.getMessage()
        except Exception:  # noqa: BLE001 - arguments that do not fit the text: the text alone says more than nothing
            text = str(plain(record.msg))
        if record.exc_info and record.exc_info[0] is not None:
            return f"{text}\n{_FORMATTER.formatException(record.exc_info)}"
        return text


_FORMATTER: Final = logging.Formatter()


def level_of(number: int) -> Level:
    """Name the level that a number of logging's belongs to.

    >>> level_of(25), level_of(40), level_of(5)
    ('info', 'error', 'debug')
    """
    names: tuple[tuple[int, Level], ...] = ((50, "critical"), (40, "error"), (30, "warning"), (20, "info"))
    return next((name for least, name in names if number >= least), "debug")
