"""A store's folder → the object that `wg.open` gives: each method asks the folder of the package that answers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from watchglass.alert.health import statuses
from watchglass.alert.rounds import Round, due
from watchglass.comparing import Comparing
from watchglass.store import judgements
from watchglass.store.asking.formats import write
from watchglass.store.asking.latest import Cut, Page, latest
from watchglass.store.asking.limits import SECONDS
from watchglass.store.asking.lookup import Prediction, look_up
from watchglass.store.asking.saved import SavedAs, delete_question, save_question
from watchglass.store.distribution import Distribution, Wanted, distribution
from watchglass.store.exchange.opened import Exchanging
from watchglass.store.folder import prepare
from watchglass.store.foreign.opened import Moving
from watchglass.store.history import Roles
from watchglass.store.labels.coverage import Asked, coverage
from watchglass.store.labels.opened import Labelling
from watchglass.store.life.backup import backup
from watchglass.store.life.retention import Expired, expire
from watchglass.store.losses import losses
from watchglass.store.models import require_model
from watchglass.store.overview import Overview, overview
from watchglass.store.query import Question as Query
from watchglass.store.query import ask
from watchglass.store.questions.answering import QUESTIONS, answer, listed
from watchglass.store.reader import close_reader
from watchglass.store.schemas.registered import schema_of
from watchglass.store.schemas.rejections import rejections
from watchglass.store.subjects.opened import Following
from watchglass.store.transactions import connect
from watchglass.store.tuning import document, set_setting, settings_of
from watchglass.store.upkeep import Kept, keep
from watchglass.tracing import Tracing

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date
    from typing import BinaryIO

    from watchglass.alert.replaying import Replay
    from watchglass.records import Incident, ModelStatus, Time
    from watchglass.store.answers import Table
    from watchglass.store.doctor.visit import Report
    from watchglass.store.labels.coverage import Coverage
    from watchglass.store.life.backups import Backup
    from watchglass.store.life.forget import Forgotten
    from watchglass.store.schemas.registered import Schema
    from watchglass.store.schemas.rejections import Rejections


class Store(Tracing, Exchanging, Moving, Labelling, Following, Comparing):
    """An open store: everything recorded in a folder, asked by question."""

    def __init__(self, path: str | os.PathLike[str], *, create: bool = False) -> None:
        """Open the folder; raises `StoreError` when there is no store, `StoreTooNew` when a newer package wrote it."""
        self._folder = prepare(path, create=create)
        self._engine = connect(self._folder)

    def __repr__(self) -> str:
        return f"<watchglass store {str(self._folder.root)!r}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the catalog, and of what was kept for the next question."""
        close_reader(self._engine)
        self._engine.dispose()

    @property
    def path(self) -> str:
        """The folder, as given."""
        return str(self._folder.root)

    def sql(
        self,
        query: str,
        model: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
        *,
        values: Mapping[str, object] | None = None,
        seconds: float | None = SECONDS,
    ) -> Table:
        """Answer exactly one SELECT over the documented views; with `model`, features and tags are typed structs.

        `values` are those of the `$name`s in it. Raises `QueryRefused` for anything else, and for one that takes more
        than `seconds` (None is any) or 1.2 GB of memory, `UnknownName` for a model that is not recorded, `BadInput` for a value
        that is missing.
        """
        return ask(self._folder, self._engine, Query(query, model, values or {}, limit, offset, seconds))

    def write_sql(  # noqa: PLR0913 - the settled signature
        self,
        query: str,
        to: str | os.PathLike[str] | BinaryIO,
        format: str | None = None,  # noqa: A002 - the settled name
        model: str | None = None,
        *,
        limit: int | None = None,
        values: Mapping[str, object] | None = None,
        seconds: float | None = SECONDS,
    ) -> int:
        """Write an answer into a file, named or open, as CSV, JSON, JSON lines or Parquet by its name or `format`; gives how many rows.

        However large it is, it goes from DuckDB to the file. Raises as `sql` does, `BadInput` for a file that cannot be written.
        """
        return write(self._folder, self._engine, Query(query, model, values or {}, limit, None, seconds), to, format)

    def prediction(
        self,
        id: str,  # noqa: A002 - the settled name
        model: str | None = None,
        environment: str | None = None,
    ) -> tuple[Prediction, ...]:
        """Give the predictions with an id, the earliest first: features, tags, scores, every label that came, run and trace.

        None has it: empty. Several have it where it was repeated, or given by several models or environments.
        Raises `UnknownName` for a model that is not recorded.
        """
        return look_up(self._folder, self._engine, id, model, environment)

    def latest(
        self,
        table: str = "predictions",
        model: str | None = None,
        limit: int = 50,
        before: str | datetime | None = None,
    ) -> Page:
        """Give the newest rows of a table that has times, and where the next page begins: `latest(…, before=page.next)`.

        `before` may be a time too. Of the files only the newest are read. Raises `UnknownName`, `BadInput`.
        """
        return latest(self._folder, self._engine, table, Cut(model, limit, before))

    def save_question(
        self, name: str, sql: str, model: str | None = None, description: str | None = None
    ) -> frozenset[str]:
        """Keep a SELECT under a name that `ask` answers, in place of one that has it; gives the names of its parameters, its `$name`s.

        Raises `QueryRefused` for what is not one SELECT, `BadInput` for a name that would not do, `UnknownName` for a model.
        """
        named = SavedAs(name, model, description, datetime.now(UTC))
        return save_question(self._folder, self._engine, sql, named, taken=QUESTIONS)

    def delete_question(self, name: str) -> None:
        """Forget a saved question; raises `UnknownName` when there is none of that name."""
        delete_question(self._engine, name)

    def compact(self, progress: Callable[[int, int], None] | None = None) -> Kept:
        """Move the log's sealed segments into the tables, count them into the cells, merge small files, sweep what nobody needs."""
        return keep(self._folder, self._engine, progress=progress)

    def expire(
        self, now: datetime | None = None, *, dry: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> Expired:
        """Let rows go that the setting `retention` no longer keeps, as upkeep does every hour; with `dry`, only say which.

        What was counted of them stays. Raises `BadInput` for settings that cannot be read.
        """
        return expire(self._folder, self._engine, now, dry=dry, progress=progress)

    def backup(
        self,
        to: str | os.PathLike[str],
        *,
        keep: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Backup:
        """Put this moment of the store into a folder of backups; then, with `keep`, remove all but the newest so many.

        Others may record, ask and compact meanwhile. Raises `BadInput` for a folder that holds other things, `StoreError`
        when a file is damaged. `wg.backups` lists them, `wg.restore` makes a store of one.
        """
        return backup(self._folder, self._engine, to, keep=keep, progress=progress)

    def check(self, now: datetime | None = None, progress: Callable[[int, int], None] | None = None) -> Round:
        """Compact, count, and judge every window that closed up to `now`; gives what was judged and the incidents that changed."""
        return due(self._folder, self._engine, now or datetime.now(UTC), progress)

    def replay(  # noqa: PLR0913 - the settled signature
        self,
        frame: object,
        *,
        model: str,
        time: str | None = None,
        prediction: str | None = None,
        score: str | None = None,
        label: str | None = None,
        id: str | None = None,  # noqa: A002 - the settled name
        version: str | None = None,
        tags: Sequence[str] = (),
        features: Sequence[str] | None = None,
        label_delay: str = "0d",
        window: str = "1d",
        reference: int = 60,
        progress: Callable[[int, int], None] | None = None,
    ) -> Replay:
        """Send a table of the past through log, tables, cells, monitors and incidents exactly as live events would go.

        `frame` is a path (Parquet, CSV, Arrow) or a frame of pandas, polars or pyarrow. Columns not named are guessed
        by their usual names; `features=None` takes every column not named. Raises `BadInput` for a column that is not
        there or a table that cannot be read, `NotEmpty` when the model has rows.
        """
        from watchglass.alert.replaying import Plan, replay  # noqa: PLC0415 - costs only who replays

        roles = Roles(time, prediction, score, label, id, tuple(tags), None if features is None else tuple(features))
        return replay(
            self._folder, self._engine, frame, Plan(model, roles, version, label_delay, window, reference), progress
        )

    def ask(self, name: str, /, **values: object) -> Table:
        """Answer one of the twenty questions of the field by its name, or one that was saved; `questions` lists them.

        Times are as everywhere, or a length before now such as "7d". A page has `limit` rows; its `.next` is the `after`
        of the next one. Raises `UnknownName` for a name that is not there, `BadInput` that names what would do.
        """
        return answer(self._folder, self._engine, name, values, datetime.now(UTC))

    def questions(self) -> Table:
        """List the questions that `ask` answers: name, sentence, source, parameters, columns; the saved ones after the twenty."""
        return listed(self._engine)

    def distribution(  # noqa: PLR0913 - a keyword each
        self,
        model: str,
        columns: Sequence[str] | None = None,
        *,
        environment: str = "live",
        start: Time | None = None,
        end: Time | None = None,
        by: str | None = None,
        source: str = "cells",
        bins: int = 32,
    ) -> tuple[Distribution, ...]:
        """Give how a model's columns are distributed in [start, end): a histogram and quantiles, or the commonest values.

        None is every feature; "prediction", "score" and "latency" are asked by name, a feature of such a name goes before.
        By whole days from "cells", what was counted, or at any time from "rows", the log's among them; with `by="day"`
        a record a day. Values are known to `error` times their distance from `centre`. Raises `UnknownName`, `BadInput`.
        """
        wanted = Wanted(columns, environment, start, end, by, source, bins)
        return distribution(self._folder, self._engine, model, wanted)

    def models(self) -> Sequence[ModelStatus]:
        """List the models with their health, worst first."""
        return statuses(self._folder, self._engine)

    def incidents(self, model: str | None = None, state: str | None = None) -> Sequence[Incident]:
        """List incidents, notices among them, newest first."""
        self.known_model(model)
        return judgements.incidents(self._engine, model, state)

    def incident(self, number: int) -> Incident:
        """Give one incident; raises `UnknownName`."""
        return judgements.incident(self._engine, number)

    def explain(self, incident: Incident | int) -> Incident:
        """Give an incident with its slices, causes, what was ruled out and what to do next, as found."""
        return self.incident(incident if isinstance(incident, int) else incident.id)

    def label_coverage(
        self,
        model: str,
        environment: str = "live",
        at: Time | date | None = None,
        *,
        limit: int | None = None,
        before: Time | date | None = None,
    ) -> Coverage:
        """Count a model's predictions and labels by day, as known at the end of the day `at` (all), and how late they came.

        Days are UTC, the newest first: at most `limit`, of those before the day `before`. The numbers are those of what
        was compacted and counted (`compact`, `check`). Raises `UnknownName` for a model that is not recorded.
        """
        return coverage(self._folder, self._engine, model, Asked(environment, at, limit, before))

    def status(self) -> Overview:
        """Count what is in the store."""
        return overview(self._folder, self._engine)

    def doctor(self, *, mend: bool = False, quick: bool = False) -> Report:
        """Check the store's files, sums, indexes and log; with `mend`, mend what can be mended and delete nothing.

        `quick` leaves the sums of the files out. A store whose catalog is broken cannot be opened: `watchglass doctor`.
        """
        from watchglass.store.doctor.examine import diagnose  # noqa: PLC0415 - costs only who asks

        return diagnose(self.path, now=datetime.now(UTC), mend=mend, quick=quick)

    def forget(  # noqa: PLR0913 - the settled signature
        self,
        *,
        subject: str | None = None,
        prediction: str | None = None,
        where: str | None = None,
        model: str | None = None,
        environment: str | None = None,
        who: str | None = None,
        reason: str | None = None,
        dry: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Forgotten:
        """Remove all rows of a subject, of one prediction's id, or of the ids `where` a condition on a model's predictions holds.

        Predictions, labels and feedback of those ids leave files, cells, log and catalog before this returns; what was
        done is kept in the audit, with `who` and `reason`, and without the text that was asked for. A `dry` run counts.
        Raises `BadInput` for a condition that is not one expression, `UnknownName` for a model, `StoreError`.
        """
        from watchglass.store.life.forget import asked, forget  # noqa: PLC0415 - costs only who forgets

        what = {
            "subject": subject,
            "prediction": prediction,
            "where": where,
            "model": model,
            "environment": environment,
        }
        about = asked(**what, who=who, reason=reason)
        return forget(self._folder, self._engine, about, dry=dry, progress=progress)

    def settings(self) -> dict[str, object]:
        """Give the store's settings: enabled, level and sampling, which running processes heed, and retention; what is not set is not there."""
        return document(settings_of(self._folder))

    def set(self, name: str, value: object) -> dict[str, object]:
        """Change a setting; running processes heed it within ten seconds, retention within the hour. None takes it back.

        Raises `BadInput` that says what would do.
        """
        return document(set_setting(self._folder, name, value))

    def last_window(self) -> datetime | None:
        """Give the end of the newest window that was judged."""
        return judgements.last_window(self._engine)

    def dropped(self) -> int:
        """Count the events that recording processes could not write."""
        return sum(losses(self._folder, self._engine).values())

    def schema(self, model: str, *, limit: int = 100, after: int | None = None) -> Schema:
        """Give a model's columns (types, roles, purposes, units), how they changed and what did not fit; raises `UnknownName`.

        At most `limit` changes (1 to 1,000), newest first; those older than the one with the id `after`.
        """
        return schema_of(self._folder, self._engine, model, limit=limit, after=after)

    def rejections(self, model: str | None = None, *, limit: int = 100, after: int | None = None) -> Rejections:
        """List lines and values that could not be taken, newest first, with their reason and what they were.

        At most `limit` (1 to 1,000), those older than the one with the id `after`. Raises `UnknownName` for a model.
        """
        return rejections(self._folder, self._engine, model, limit=limit, after=after)

    def rejected(self) -> int:
        """Count the lines and values that were kept aside because they could not be taken."""
        return self.status().rejected

    def known_model(self, name: str | None) -> None:
        """Raise `UnknownName`, with the nearest, for a model that is not recorded; None is any."""
        if name is not None:
            require_model(self._folder, self._engine, name)


def open_store(path: str | os.PathLike[str] | None = None) -> Store:
    """Open a store for reading: a folder, else WATCHGLASS_STORE, else ./watchglass-data. Raises `StoreError` when there is none."""
    from watchglass import settings  # noqa: PLC0415 - one small table

    return Store(settings.resolve(settings.STORE, path))


def create_store(path: str | os.PathLike[str] | None = None) -> Store:
    """Open a store, made when there is none. Raises `StoreError` when it cannot be made."""
    from watchglass import settings  # noqa: PLC0415 - one small table

    return Store(settings.resolve(settings.STORE, path), create=True)
