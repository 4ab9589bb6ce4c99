"""The flight recorder for machine-learning systems."""

import os
from _thread import RLock  # threading's own, without threading

TYPE_CHECKING = False  # type checkers take the name for true; typing itself would be most of this package's import

if TYPE_CHECKING:
    from watchglass.capture.auto import auto
    from watchglass.capture.carry import carry, trace_environment, trace_headers, traceparent
    from watchglass.capture.checks import check
    from watchglass.capture.component import component
    from watchglass.capture.feedback import log_feedback
    from watchglass.capture.frames import log_labels, log_predictions
    from watchglass.capture.logs import LogHandler
    from watchglass.capture.metrics import log_metric
    from watchglass.capture.models import deploy, log_model
    from watchglass.capture.past import log_run
    from watchglass.capture.predictions import log_label, log_prediction, retract_label
    from watchglass.capture.queries import query
    from watchglass.capture.recorder import flush, init
    from watchglass.capture.runs import run
    from watchglass.capture.saving import save
    from watchglass.comparing import compare
    from watchglass.errors import WatchglassError
    from watchglass.reading import open_store as open  # noqa: A004 - the public name is settled
    from watchglass.store.artifacts.loading import load
    from watchglass.store.life.backups import backups
    from watchglass.store.life.restore import restore

__version__ = "0.1.0"

__all__ = [
    "LogHandler",
    "WatchglassError",
    "__version__",
    "auto",
    "backups",
    "carry",
    "check",
    "compare",
    "component",
    "deploy",
    "flush",
    "init",
    "load",
    "log_feedback",
    "log_label",
    "log_labels",
    "log_metric",
    "log_model",
    "log_prediction",
    "log_predictions",
    "log_run",
    "open",
    "query",
    "restore",
    "retract_label",
    "run",
    "save",
    "trace_environment",
    "trace_headers",
    "traceparent",
]

_HOME = {
    "auto": "watchglass.capture.auto:auto",
    "LogHandler": "watchglass.capture.logs:LogHandler",
    "WatchglassError": "watchglass.errors:WatchglassError",
    "backups": "watchglass.store.life.backups:backups",
    "carry": "watchglass.capture.carry:carry",
    "check": "watchglass.capture.checks:check",
    "compare": "watchglass.comparing:compare",
    "component": "watchglass.capture.component:component",
    "deploy": "watchglass.capture.models:deploy",
    "flush": "watchglass.capture.recorder:flush",
    "init": "watchglass.capture.recorder:init",
    "load": "watchglass.store.artifacts.loading:load",
    "log_feedback": "watchglass.capture.feedback:log_feedback",
    "log_label": "watchglass.capture.predictions:log_label",
    "log_labels": "watchglass.capture.frames:log_labels",
    "log_metric": "watchglass.capture.metrics:log_metric",
    "log_model": "watchglass.capture.models:log_model",
    "log_prediction": "watchglass.capture.predictions:log_prediction",
    "log_predictions": "watchglass.capture.frames:log_predictions",
    "log_run": "watchglass.capture.past:log_run",
    "open": "watchglass.reading:open_store",
    "query": "watchglass.capture.queries:query",
    "restore": "watchglass.store.life.restore:restore",
    "retract_label": "watchglass.capture.predictions:retract_label",
    "run": "watchglass.capture.runs:run",
    "save": "watchglass.capture.saving:save",
    "trace_environment": "watchglass.capture.carry:trace_environment",
    "trace_headers": "watchglass.capture.carry:trace_headers",
    "traceparent": "watchglass.capture.carry:traceparent",
}


def __getattr__(name: str) -> object:
    """Load a public name on its first use, so that importing the package costs next to nothing."""
    if name not in _HOME:
        message = f"module 'watchglass' has no attribute {name!r}"
        raise AttributeError(message)
    module, _, attribute = _HOME[name].partition(":")
    with _loading:
        from importlib import import_module  # noqa: PLC0415 - the import of this package stays empty

        value: object = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


# A fork waits for a first use under way in another thread: the child would inherit that import half done and locked for ever.
_loading = RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_loading.acquire, after_in_parent=_loading.release, after_in_child=_loading.release)


def __dir__() -> list[str]:
    return sorted(__all__)
