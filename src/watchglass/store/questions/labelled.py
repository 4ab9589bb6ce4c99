"""Predictions joined to their labels → confusions, sure errors, F1 by version of the data, two versions side by side, lags, what waits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.profile.intervals import same_side
from watchglass.store import catalog as c
from watchglass.store.graph import take_in
from watchglass.store.lineage.upstream import upstream
from watchglass.store.questions.asked import SAME, TRUTH
from watchglass.store.questions.paging import Order
from watchglass.store.questions.question import AFTER, END, ENVIRONMENT, LIMIT, LONG, MODEL, START, Parameter, Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    from watchglass.store.answers import Table
    from watchglass.store.questions.asked import Asked

_HOUR: Final = 3.6e9  # µs
_CONFIDENCE: Final = "CASE WHEN scores IS NOT NULL THEN score WHEN score BETWEEN 0 AND 1 THEN greatest(score, 1 - score) ELSE abs(score) END"


def _confusion(asked: Asked) -> Table:
    version = " AND version = $version" if asked.values.get("version") is not None else ""
    return asked.rows(
        asked.paged(
            f"WITH {TRUTH} SELECT label, prediction, sum(weight)::BIGINT AS rows, rows / sum(rows) OVER (PARTITION BY label) AS share"
            f" FROM predictions JOIN truth USING (id) WHERE environment = $environment{asked.during('time')}{version}"
            " GROUP BY label, prediction"
        ),
        ("prediction", "weight"),
    )


def _confident_errors(asked: Asked) -> Table:
    return asked.rows(
        asked.paged(
            f"WITH {TRUTH} SELECT id, time, version, prediction, label, score, {_CONFIDENCE} AS confidence, run"
            f" FROM predictions JOIN truth USING (id) WHERE environment = $environment AND score IS NOT NULL AND NOT {SAME}{asked.during('time')}"
        ),
        ("prediction", "score", "scores", "run"),
    )


def _label_lag(asked: Asked) -> Table:
    taken = "quantile_cont(epoch_us(first) - epoch_us(time), [0.5, 0.9, 0.99, 1.0])"
    told = asked.rows(
        f"WITH {TRUTH} SELECT time::DATE AS day, count(*) AS labelled, {taken} AS taken FROM predictions JOIN truth USING (id)"
        f" WHERE environment = $environment{asked.during('time')} GROUP BY day",
        (),
    )
    rows = [
        (day, labelled, *(float(each) / _HOUR for each in taken))
        for day, labelled, taken in told.values
        if isinstance(taken, list)
    ]
    return asked.table(("day", "labelled", "median_hours", "p90_hours", "p99_hours", "longest_hours"), rows)


def _predictions_without_label(asked: Asked) -> Table:
    """Leave out all that ever had a label, but for those whose latest one takes it back: there are few of these to group."""
    return asked.rows(
        asked.paged(
            "WITH back AS (SELECT id FROM label_history WHERE environment = $environment AND label IS NULL),"
            " again AS (SELECT id FROM label_history SEMI JOIN back USING (id) WHERE environment = $environment GROUP BY id"
            " HAVING arg_max_null(label, (time, coalesce(label, ''))) IS NULL),"
            " told AS (SELECT id FROM label_history ANTI JOIN again USING (id) WHERE environment = $environment AND label IS NOT NULL)"
            " SELECT id, time, version, prediction, score, run, count(*) OVER () AS waiting"
            f" FROM predictions ANTI JOIN told USING (id) WHERE environment = $environment{asked.during('time')}"
        ),
        ("prediction", "score", "run"),
    )


def _disagreement(asked: Asked) -> Table:
    """Join the two environments first: only what both predicted needs its label."""
    first, other = (SAME.replace("prediction", name) for name in ("said", "other_said"))
    chosen = asked.during("time")
    told = asked.rows(
        f"WITH a AS (SELECT id, version, prediction AS said FROM predictions WHERE environment = $environment{chosen}),"
        f" b AS (SELECT id, version AS other_version, prediction AS other_said FROM predictions WHERE environment = $other{chosen}),"
        " pairs AS MATERIALIZED (SELECT * FROM a JOIN b USING (id)),"
        " truth AS (SELECT id, arg_max_null(label, (time, coalesce(label, ''))) AS label FROM label_history SEMI JOIN pairs USING (id)"
        " WHERE environment = $environment GROUP BY id),"
        f" judged AS (SELECT *, label IS NOT NULL AND {first} AS met, label IS NOT NULL AND {other} AS other_met"
        " FROM pairs LEFT JOIN truth USING (id))"
        " SELECT version, other_version, count(*) AS pairs, count(*) FILTER (said IS DISTINCT FROM other_said) AS differ,"
        " count(label) AS labelled, count(*) FILTER (met AND NOT other_met) AS only_first, count(*) FILTER (other_met AND NOT met) AS only_other,"
        " count(*) FILTER (met) AS right_first, count(*) FILTER (other_met) AS right_other"
        " FROM judged GROUP BY ALL",
        ("prediction",),
    )
    rows = []
    for version, beside, pairs, differ, labelled, only, only_other, right, right_other in told.values:
        known = int(str(labelled))
        shares = tuple(int(str(value)) / known if known else None for value in (right, right_other))
        chance = same_side(int(str(only)), int(str(only_other))) if known else None
        share = int(str(differ)) / int(str(pairs))
        rows.append((version, beside, pairs, differ, share, labelled, *shares, only, only_other, chance))
    return asked.table(tuple(name for name, _ in _DISAGREEMENT), rows)


def _worst_data_version(asked: Asked) -> Table:
    """Pool, for each version of data upstream of a model's versions, what these got right and wrong."""
    told = asked.rows(
        f"WITH {TRUTH} SELECT version, prediction, label, sum(weight)::BIGINT AS n, {SAME} AS met FROM predictions JOIN truth USING (id)"
        f" WHERE environment = $environment{asked.during('time')} GROUP BY ALL",
        ("prediction", "weight"),
    )
    read = _read_for(asked)
    pooled: dict[tuple[str, str], _Confusion] = {}
    for version, prediction, label, n, met in told.values:
        for artifact in read.get(str(version), ()):
            if asked.values.get("data") in (None, artifact[0]):
                pooled.setdefault(artifact, _Confusion()).add(
                    str(version), prediction, label, int(str(n)), met=bool(met)
                )
    rows = [
        (
            name,
            version,
            ", ".join(sorted(found.versions)),
            found.rows,
            found.accuracy,
            found.f1(asked.values.get("positive")),
        )
        for (name, version), found in pooled.items()
    ]
    return asked.table(tuple(name for name, _ in _DATA), rows)


def _read_for(asked: Asked) -> Mapping[str, set[tuple[str, str]]]:
    """Give, for each version of the model, all versions of artifacts that its run and those upstream of it read."""
    take_in(asked.folder, asked.engine)
    versions = c.model_versions.c
    with asked.engine.connect() as connection:
        query = sa.select(versions.version, versions.run).where(
            versions.model == asked.model, versions.run.is_not(None)
        )
        runs = {row.version: str(row.run) for row in connection.execute(query)}
        walked = upstream(connection, set(runs.values()))
    return {
        version: {item for near in walked.of(run) for item in walked.read.get(near, ())}
        for version, run in runs.items()
    }


class _Confusion:
    """Labelled predictions that descend from one version of data, while they are pooled."""

    def __init__(self) -> None:
        self.rows = self.right = 0
        self.versions: set[str] = set()
        self._told: dict[str, list[int]] = {}  # class → right, predicted, labelled

    def add(self, version: str, prediction: object, label: object, n: int, *, met: bool) -> None:
        """Add rows of one version, one prediction and one label."""
        self.versions.add(version)
        self.rows += n
        self.right += n if met else 0
        said = label if met else prediction  # "1" and "1.0" are one class where the cells take them for right
        for name, place in ((said, 1), (label, 2)):
            if name is not None:
                self._told.setdefault(str(name), [0, 0, 0])[place] += n
        if met:
            self._told[str(label)][0] += n

    @property
    def accuracy(self) -> float:
        """The share that is right."""
        return self.right / self.rows

    def f1(self, positive: object) -> float:
        """Give 2 × right / (predicted + labelled) of a class, or the mean over all classes that have a label."""
        if positive is not None:
            return _f1(self._told.get(str(positive), [0, 0, 0]))
        labelled = [told for told in self._told.values() if told[2]]
        return math.fsum(map(_f1, labelled)) / len(labelled)  # in any order the same


def _f1(told: list[int]) -> float:
    right, predicted, labelled = told
    return 2 * right / (predicted + labelled) if predicted + labelled else 0.0


_DATA: Final = (
    ("data", "an artifact that the runs behind the model's versions read, at any distance"),
    ("data_version", "its version; worst first"),
    ("versions", "the model's versions that descend from it"),
    ("rows", "their labelled predictions, as sums of their weights"),
    ("accuracy", "the share that is right"),
    ("f1", "F1 of the class `positive`, else the mean over all classes that have labels"),
)
_DISAGREEMENT: Final = (
    ("version", "in the first environment"),
    ("other_version", "in the other"),
    ("pairs", "ids that both predicted"),
    ("differ", "of these, how often the predictions differ"),
    ("share", "differ / pairs"),
    ("labelled", "pairs with a label"),
    ("accuracy", "of the first, on the labelled pairs"),
    ("other_accuracy", "of the other, on the same pairs"),
    ("only_first_right", "labelled pairs where only the first is right"),
    ("only_other_right", "and only the other"),
    ("p", "chance of so uneven a split were both alike right (McNemar, exact, two-sided)"),
)
QUESTIONS: Final = (
    Question(
        "worst_data_version",
        "Which version of the data made the worst F1?",
        "rows",
        (
            MODEL,
            ENVIRONMENT,
            START,
            END,
            Parameter("data", "text", "only versions of this artifact"),
            Parameter("positive", "text", "the class that F1 is of; else the mean over all classes"),
            LIMIT,
            AFTER,
        ),
        _DATA,
        Order(("f1", "data", "data_version")),
        _worst_data_version,
    ),
    Question(
        "confusion",
        "What does a model take for what?",
        "rows",
        (MODEL, ENVIRONMENT, START, END, Parameter("version", "text", "only of this version"), LONG, AFTER),
        (
            ("label", "the truth"),
            ("prediction", "what the model said"),
            ("rows", "how often, as sums of weights"),
            ("share", "of the rows with this label"),
        ),
        Order(("label", "-rows", "prediction")),
        _confusion,
    ),
    Question(
        "confident_errors",
        "Which wrong predictions was the model surest of?",
        "rows",
        (MODEL, ENVIRONMENT, START, END, Parameter("limit", "whole", "rows of a page", 50), AFTER),
        (
            ("id", "of the prediction"),
            ("time", "of the prediction"),
            ("version", "of the model"),
            ("prediction", "what it said"),
            ("label", "the truth"),
            ("score", "as given; of scores by class, that of the class it said"),
            ("confidence", "the score's distance from doubt: the larger of score and 1 − score, surest first"),
            ("run", "the run that served it"),
        ),
        Order(("-confidence", "-time", "id", "version", "prediction", "run")),
        _confident_errors,
    ),
    Question(
        "disagreement",
        "Where two versions predicted the same ids, live and in shadow: how often do they differ, and which one is right?",
        "rows",
        (
            MODEL,
            ENVIRONMENT,
            Parameter("other", "text", "the environment beside it", "shadow"),
            START,
            END,
            LONG,
            AFTER,
        ),
        _DISAGREEMENT,
        Order(("version", "other_version")),
        _disagreement,
    ),
    Question(
        "label_lag",
        "How long do labels take?",
        "rows",
        (MODEL, ENVIRONMENT, START, END, LONG, AFTER),
        (
            ("day", "of the predictions"),
            ("labelled", "rows that have a label"),
            ("median_hours", "from the prediction to its first label"),
            ("p90_hours", "nine of ten take no longer"),
            ("p99_hours", "ninety-nine of a hundred"),
            ("longest_hours", "the longest"),
        ),
        Order(("day",)),
        _label_lag,
    ),
    Question(
        "predictions_without_label",
        "Which predictions should have their label by now and have none?",
        "rows",
        (MODEL, ENVIRONMENT, START, Parameter("end", "time", "predicted before", "3d"), LIMIT, AFTER),
        (
            ("id", "of the prediction, oldest first"),
            ("time", "of the prediction"),
            ("version", "of the model"),
            ("prediction", "what it said"),
            ("score", "as given"),
            ("run", "the run that served it"),
            ("waiting", "how many there are in all"),
        ),
        Order(("time", "id", "version", "prediction", "run")),
        _predictions_without_label,
    ),
)
