"""One call of a component → its run: the tests before it, what it read, what it wrote, the tests after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from watchglass.capture import checks, drops, recorder
from watchglass.capture.code import Code
from watchglass.capture.runs import Run, of_subjects, surroundings
from watchglass.capture.times import now
from watchglass.errors import Blocked

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable, Iterable
    from types import CodeType

    from watchglass.capture.artifacts import Item
    from watchglass.capture.checks import Check, When
    from watchglass.capture.queries import Query

_ABSENT: Final = object()
_PLAIN: Final = (bool, int, float, str, type(None))
Local: TypeAlias = "Mapping[str, object] | str | None"
"""The local variables at return, why they could not be had, or None where nobody asked."""


@dataclass(frozen=True, slots=True)
class Named:
    """Which of a function's values its runs read and write: parameters, things elsewhere, what is returned, local variables."""

    inputs: tuple[Item | Query, ...] = ()
    outputs: tuple[str, ...] = ()
    input_vars: Mapping[str, str] = field(default_factory=dict)
    output_vars: Mapping[str, str] = field(default_factory=dict)
    params: tuple[str, ...] | None = ()
    """Arguments that are the run's parameters; None is every plain one that is no input."""


@dataclass(frozen=True, slots=True)
class Flow:
    """Of whom the artifacts are, by name, and what follows where one carries a tag that was retracted: warn or block; None is as set."""

    subjects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    on_retracted: str | None = None

    @classmethod
    def of(cls, subjects: object, on_retracted: object) -> Flow:
        """Check both; raises `BadInput`."""
        if subjects is None and on_retracted is None:
            return cls()
        return cls(of_subjects().tags_by_name(subjects), of_subjects().checked_reaction(on_retracted))


@dataclass(frozen=True, slots=True)
class Component:
    """A decorated function: what its runs are called, which of its values they read and write, and what tests them."""

    name: str
    version: str | None
    function: Callable[..., object]
    source: tuple[str | None, str]
    event: Mapping[str, object]
    signature: inspect.Signature | None
    named: Named
    before: tuple[Check, ...]
    after: tuple[Check, ...]
    budget: tuple[float | None, int | None] | None
    watched: CodeType | None
    """The code whose local variables are wanted at its return; None where none are."""
    keep: str | None = None
    flow: Flow = Flow()
    _code: list[Code] = field(default_factory=list)

    def begin(self, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> Run:
        """Start a run; what it reads is read now, before the function may change it. Raises `Blocked`."""
        here = recorder.current()
        key = ("component", self.name)
        if key not in here.announced and here.graph({**self.event, "time": now()}):
            here.announced[key] = True
        if not self._code and not here.disabled:
            why = f"the code of component {self.name!r} is unknown"
            made = drops.shielded("code", why, partial(Code, self.function, self.source), None)
            self._code.extend([made] if made is not None else [])
        code = self._code[0] if self._code else None
        run = Run(self.name, None, self.version, surroundings(self.budget, code, self.keep))
        run.subjects, run.on_retracted = self.flow.subjects, self.flow.on_retracted
        run.start()
        if here.disabled and not self.before:
            return run
        if self.named.inputs or self.named.input_vars or self.named.params != () or self.before:
            why = f"what component {self.name!r} reads is unknown"
            bound = drops.shielded("read", why, partial(self._bound, arguments, keywords), None)
            if bound is not None:
                try:
                    drops.shielded("read", why, partial(self._read, run, bound), None)
                except Blocked as error:
                    run.end(error)
                    raise
                self._tested(run, "before", bound)
        return run

    def _bound(self, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> Mapping[str, object]:
        if self.signature is None:
            return {}
        found = self.signature.bind(*arguments, **keywords)
        found.apply_defaults()
        return found.arguments

    def _read(self, run: Run, bound: Mapping[str, object]) -> None:
        for item in self.named.inputs:
            if isinstance(item, str) and item in bound:
                run.read(bound[item], item)
            else:
                run.read(item)
        for variable, name in self.named.input_vars.items():
            if variable in bound:
                run.read(bound[variable], name)
        for name in self._parameters(bound):
            run.param(name, bound[name])

    def _parameters(self, bound: Mapping[str, object]) -> Iterable[str]:
        if self.named.params is not None:
            return [name for name in self.named.params if name in bound]
        read = {*self.named.input_vars, *(item for item in self.named.inputs if isinstance(item, str))}
        return [name for name, value in bound.items() if name not in read and isinstance(value, _PLAIN)]

    def _tested(self, run: Run, when: When, values: Mapping[str, object]) -> None:
        """Run the tests of a moment. Raises `Blocked`, with the run ended if it has not begun to work."""
        failed: list[Mapping[str, object]] = []
        for result in checks.ran(self.before if when == "before" else self.after, when, values):
            run.tested(result)
            if not result["ok"]:
                failed.append(result)
        if any(result["level"] in ("block", "quarantine") for result in failed):
            run.quarantine()
        blocking = next((result for result in failed if result["level"] == "block"), None)
        if blocking is None:
            return
        message = f"test {blocking['name']!r} {when} component {self.name!r} failed: {blocking['message']}"
        error = Blocked(message)
        if when == "before":
            run.end(error)
        else:
            self._wrote(run, values.get(checks.RESULT), values)
        raise error

    def ended(self, run: Run, result: object, local: Local) -> None:
        """Run the tests after the function, and record what it wrote. Raises `Blocked`, with that recorded."""
        if self.after:
            values = {checks.RESULT: result, **(local if isinstance(local, Mapping) else {})}
            self._tested(run, "after", values)
        if not recorder.current().disabled:
            self._wrote(run, result, local)

    def _wrote(self, run: Run, result: object, local: Local) -> None:
        why = f"what component {self.name!r} writes is unknown"
        try:
            if self.watched is not None and (self.named.input_vars or self.named.output_vars):
                drops.shielded("write", why, partial(self._variables, run, local), None)
        finally:  # what it wrote is recorded though a variable that it read stops it
            if self.named.outputs:
                drops.shielded("write", why, partial(self._write, run, result), None)

    def _variables(self, run: Run, local: Local) -> None:
        """Record what local variables hold at return; of a parameter the value was read as it came in."""
        parameters = self.signature.parameters if self.signature is not None else {}
        late = {variable: name for variable, name in self.named.input_vars.items() if variable not in parameters}
        for variables, put in ((late, run.read), (self.named.output_vars, run.write)):
            for variable, name in variables.items():
                value = local.get(variable, _ABSENT) if isinstance(local, Mapping) else _ABSENT
                if value is not _ABSENT:
                    put(value, name)
                    continue
                reason = local if isinstance(local, str) else "it had no value when the function returned"
                run.lack(f"local variable {variable!r}: {reason}")
                drops.warn(
                    f"variable {variable} of {self.name}",
                    f"local variable {variable!r} of component {self.name!r} is not recorded: {reason}",
                )

    def _write(self, run: Run, result: object) -> None:
        outputs = self.named.outputs
        if result is None:  # it wrote by itself: a name that is a file's path is that file
            for name in outputs:
                run.write(name)
        elif len(outputs) == 1:
            run.write(result, outputs[0])
        else:
            for name, part in zip(outputs, _parts(result, outputs), strict=True):
                run.write(part, name)


def _parts(result: object, outputs: tuple[str, ...]) -> Iterable[object]:
    if isinstance(result, Mapping):
        return [result[name] for name in outputs]
    return cast("tuple[object, ...]", result)
