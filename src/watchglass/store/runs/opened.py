"""An open store → its runs: lists, one with all that is known, histories, what is stale or flagged, what two have apart, the state at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, overload

from watchglass.store.lineage.flags import Flag, Flags, flag, flags, unflag
from watchglass.store.lineage.review import SAMPLE, Review, review
from watchglass.store.lineage.stale import Staleness, Stalenesses, rules_of, stale_counts, staleness, stalenesses
from watchglass.store.runs.comparing import RunDiff, diff
from watchglass.store.runs.components import Components, components
from watchglass.store.runs.durations import MOST, Durations, durations
from watchglass.store.runs.history import History, history
from watchglass.store.runs.listing import Runs, Wanted, runs
from watchglass.store.runs.one import RunRecord, run
from watchglass.store.runs.origin import Origin, origins
from watchglass.store.runs.state import State, state
from watchglass.store.runs.state_changes import StateDiff, state_diff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from sqlalchemy.engine import Engine

    from watchglass.records import Time
    from watchglass.store.folder import Folder
    from watchglass.store.runs.predicted import Repredicted
    from watchglass.store.runs.rerun import Rerun

MONTH: Final = "30d"


class Reviewing:
    """What of an open store looks at runs."""

    _folder: Folder
    _engine: Engine

    def runs(  # noqa: PLR0913 - a keyword each
        self,
        component: str | None = None,
        *,
        status: str | None = None,
        tag: str | None = None,
        owner: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Runs:
        """List runs, the newest first: of a component, with a status, of components with a tag or an owner, begun in [since, until).

        At most `limit` (1 to 1,000), those older than where the page `after` ended. Times may be lengths before now ("7d").
        Raises `UnknownName`, `BadInput`.
        """
        return runs(self._folder, self._engine, Wanted(component, status, tag, owner, since, until, limit, after))

    def run(self, id: str, *, predictions: bool = True) -> RunRecord:  # noqa: A002 - the settled name
        """Give one run with all that is known of it; without `predictions` those recorded in it are not counted.

        Raises `UnknownName`.
        """
        return run(self._folder, self._engine, id, predictions=predictions)

    def history(
        self,
        component: str,
        limit: int = 10,
        after: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
    ) -> History:
        """Give a component's runs, the newest first, as a sequence that is cut by number and by time; with how many inputs were stale.

        At most `limit` (1 to 1,000), those older than where the page `after` ended. Raises `UnknownName`, `BadInput`.
        """
        return history(self._folder, self._engine, component, limit=limit, after=after, since=since, until=until)

    def components(
        self,
        tag: str | None = None,
        owner: str | None = None,
        status: str | None = None,
        *,
        limit: int = 100,
        after: str | None = None,
    ) -> Components:
        """List components by name with description, owner, tags and how the newest run went; with `status` those where it went so.

        At most `limit` (1 to 1,000), those after the name `after`. Raises `UnknownName` for a tag or an owner that none has.
        """
        return components(self._folder, self._engine, tag=tag, owner=owner, status=status, limit=limit, after=after)

    def durations(
        self, component: str | None = None, since: Time | None = None, until: Time | None = None, *, most: int = MOST
    ) -> Durations:
        """Measure how long components take: median, 95 % and 99 %, their own time without their parts, their share of the whole.

        From the newest `most` runs that began in [since, until). Raises `UnknownName`, `BadInput`.
        """
        return durations(self._folder, self._engine, component, since=since, until=until, most=most)

    @overload
    def stale(self, of: str, *, age: str | timedelta | None = MONTH, component: bool = False) -> Staleness: ...

    @overload
    def stale(
        self,
        of: None = None,
        *,
        age: str | timedelta | None = MONTH,
        component: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> Stalenesses: ...

    def stale(
        self,
        of: str | None = None,
        *,
        age: str | timedelta | None = MONTH,
        component: bool = False,
        limit: int = 50,
        after: str | None = None,
    ) -> Staleness | Stalenesses:
        """Judge how fresh the inputs are of a run, or of the newest run that wrote an output of that name: when it began, and now.

        Without a name the newest run of every component, a page of them. An input is stale when a newer version exists, when
        its producer ran more than `age` before (None: never), or has newer code since, or when what that run read is stale;
        with `component` also when the producer's component ran again, whatever it wrote then, which is mltrace's rule.
        Raises `UnknownName` with near names, `BadInput`.
        """
        rules = rules_of(age, component=component)
        if of is None:
            return stalenesses(self._folder, self._engine, rules, limit=limit, after=after)
        return staleness(self._folder, self._engine, of, rules)

    def stale_counts(self, runs: Sequence[str]) -> dict[str, int]:
        """Count, of each of some runs, the inputs that were stale when it began, by the rules of `stale`."""
        return stale_counts(self._folder, self._engine, runs)

    def flag(self, name: str, version: str | None = None, note: str | None = None, who: str | None = None) -> Flag:
        """Say that an output is wrong: a version of it, or the newest. Raises `UnknownName` for one that nobody wrote, `StoreError`."""
        return flag(self._folder, self._engine, name, version, note=note, who=who)

    def unflag(self, name: str, version: str | None = None, who: str | None = None) -> tuple[Flag, ...]:
        """Take back the flags of an output, of all its versions or of one; raises `UnknownName` for one that is not flagged."""
        return unflag(self._folder, self._engine, name, version, who=who)

    def unflag_all(self, who: str | None = None) -> tuple[Flag, ...]:
        """Take back every flag; gives those that were taken back."""
        return unflag(self._folder, self._engine, None, who=who)

    def flags(self, *, removed: bool = False, limit: int = 100, after: str | None = None) -> Flags:
        """List the flags that stand, the newest first, with `removed` those taken back too; at most `limit` (1 to 1,000)."""
        return flags(self._folder, self._engine, removed=removed, limit=limit, after=after)

    def review(self, limit: int = 50, after: int = 0, *, sample: int = SAMPLE) -> Review:
        """Find the runs that flagged outputs have in common and good ones have not, the most suspicious first (Ochiai).

        Good are the other outputs of the same components, at most `sample` of them. Raises `BadInput`.
        """
        return review(self._folder, self._engine, limit=limit, after=after, sample=sample)

    def diff(self, first: str, second: str | None = None) -> RunDiff:
        """Compare two runs by id, or components by their newest runs; one component alone: its newest two.

        Raises `UnknownName`, `BadInput` for a component that ran once.
        """
        return diff(self._folder, self._engine, first, second)

    def rerun(
        self,
        id: str,  # noqa: A002 - the settled name
        *,
        inputs: Mapping[str, str] | None = None,
        params: Mapping[str, object] | None = None,
        models: Mapping[str, str] | None = None,
    ) -> Rerun:
        """Call the function of a recorded run again with what it read; gives whether the same came out, or what is missing or differs.

        It runs in a process of its own that starts in this folder and records into this store. `inputs` puts another version
        of an artifact, or a file, in the place of one that was read; `params` another value in that of an argument;
        `models` the artifact of another version of a model. Inputs must be kept whole or lie where they were.
        Raises `UnknownName`, `BadInput`, `StoreError`.
        """
        from watchglass.store.runs.rerun import rerun  # noqa: PLC0415 - costs only who asks

        return rerun(self._folder, self._engine, id, inputs, params, models)

    def rerun_prediction(  # noqa: PLR0913 - a keyword each
        self,
        id: str,  # noqa: A002 - the settled name
        model: str | None = None,
        environment: str | None = None,
        *,
        inputs: Mapping[str, object] | None = None,
        version: str | None = None,
        allow_pickle: bool = False,
        trusted: Sequence[str] = (),
    ) -> Repredicted:
        """Predict a recorded prediction again from its features, by the kept artifact of its model's version; gives what differs or is missing.

        `inputs` puts other values in the place of features, `version` another version of the model. The model is called in
        this process, code around it is not. `allow_pickle` and `trusted` are those of `Artifact.load`. Raises `UnknownName`
        for the prediction or a version, `BadInput` for a feature it does not have and for an id of several models.
        """
        from watchglass.store.runs.predicted import Changed, repredict  # noqa: PLC0415 - costs only who asks

        changed = Changed(inputs, version, allow_pickle, trusted)
        return repredict(self._folder, self._engine, id, model, environment, changed)

    def origin(
        self,
        prediction: str,
        model: str | None = None,
        environment: str | None = None,
    ) -> tuple[Origin, ...]:
        """Give the way of a prediction: its model's version, the run that trained it with data and code, deployment, own run.

        Several predictions have one id where it was repeated, or given by several models: the earliest first.
        Raises `UnknownName` for an id that none has, or for a model.
        """
        return origins(self._folder, self._engine, prediction, model, environment)

    def state(self, at: Time | None = None, *, limit: int = 100, after: str | None = None) -> State:
        """Give the whole system at a time (now without one): deployments, code, data, verdicts, open incidents.

        Data is a page by name, at most `limit` (1 to 1,000), those after the name `after`. Raises `BadInput`.
        """
        return state(self._folder, self._engine, at, limit=limit, after=after)

    def state_diff(
        self, first: Time, last: Time | None = None, *, limit: int = 100, after: str | None = None
    ) -> StateDiff:
        """Tell what changed of the system in (first, last], up to now without a second time. Raises `BadInput`."""
        return state_diff(self._folder, self._engine, first, last, limit=limit, after=after)
