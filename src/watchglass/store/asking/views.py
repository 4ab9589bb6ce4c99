"""The names a question may use → their columns, each with its type and one sentence: what is documented here stays as it is."""

from __future__ import annotations

from typing import Final

from watchglass.store.asking.view import view
from watchglass.store.asking.views_graph import GRAPH_VIEWS

_LABEL: Final = """
id VARCHAR The prediction's id.
time TIMESTAMP When the truth was given, as the label says.
model VARCHAR The model.
environment VARCHAR Where the prediction was made, such as live.
label VARCHAR The truth, as text; NULL takes an earlier label back.
"""
ROW_VIEWS: Final = (
    view(
        "predictions",
        "One row a prediction: files and the log's tail together, each once. With `model=…` features and tags are typed structs: `features.amount`; without, they are JSON: `features->>'amount'`.",
        """
id VARCHAR The prediction's id, ours (UUIDv7) or one that was given.
time TIMESTAMP When it was made.
model VARCHAR The model.
version VARCHAR The model's version: joins model_versions.version.
environment VARCHAR Where it was made, such as live.
prediction VARCHAR What was predicted, as text.
prediction_number DOUBLE The same as a number, where it is one.
score DOUBLE The score of what was predicted.
scores VARCHAR The scores of all classes as JSON, where they were given.
latency DOUBLE Seconds it took.
run VARCHAR The run it was made in: joins runs.id.
trace VARCHAR The trace it belongs to: joins runs.trace.
weight BIGINT How many rows it stands for; 1 when nothing was left out by sampling.
error VARCHAR What went wrong, where it failed.
tags JSON Tags; a typed struct with `model=…`.
features JSON Features; a typed struct with `model=…`.
""",
    ),
    view(
        "labels",
        "One row a prediction whose truth is known: the label with the latest time; one that was taken back is not there.",
        _LABEL,
    ),
    view("label_history", "One row a label that ever came, corrections and retractions too.", _LABEL),
    view(
        "feedback",
        "One row a deed of a user about a prediction: `log_feedback` and `/api/v1/feedback`. A model's rule makes labels of it.",
        """
id VARCHAR The prediction's id.
time TIMESTAMP When it was done.
model VARCHAR The model.
environment VARCHAR Where the prediction was made.
event VARCHAR What was done.
""",
    ),
    view(
        "metrics",
        "One row a metric point: `log_metric`, `run.metric` and `/api/v1/metrics`.",
        """
time TIMESTAMP When it was measured.
name VARCHAR The metric's name.
value DOUBLE Its value; NULL where it was not finite.
step BIGINT The step of a training, where there is one.
labels VARCHAR Its labels as a JSON object.
run VARCHAR The run that measured it: joins runs.id.
trace VARCHAR The trace it belongs to.
""",
    ),
    view(
        "logs",
        "One row a log line.",
        """
time TIMESTAMP When it was written.
level VARCHAR debug, info, warning, error or critical.
logger VARCHAR Who wrote it.
message VARCHAR What it says.
tags VARCHAR Its tags as a JSON object.
run VARCHAR The run it was written in: joins runs.id.
trace VARCHAR The trace it belongs to.
""",
    ),
)
MODEL_VIEWS: Final = (
    view(
        "models",
        "One row a model, with what was said of it.",
        """
name VARCHAR The model's name.
task VARCHAR classification, regression and the like.
slices VARCHAR The tags it is looked at by, as a JSON list.
window VARCHAR How long a window is.
label_delay VARCHAR How late its labels come.
false_alerts_per_year DOUBLE How many false alerts a year are borne.
reference BIGINT Windows that are learnt from before alarms are armed.
time TIMESTAMP When it was first seen.
feedback VARCHAR The rule that makes labels of events, as JSON.
""",
    ),
    view(
        "model_versions",
        "One row a version of a model, with the artifact and the run it came from.",
        """
model VARCHAR The model.
version VARCHAR Its version.
artifact VARCHAR The artifact's name: joins artifacts.name.
artifact_version VARCHAR The artifact's version: joins artifacts.version.
run VARCHAR The run that declared it: joins runs.id.
time TIMESTAMP When it was declared.
""",
    ),
    view(
        "deployments",
        "One row a deployment: which version went where, and when.",
        """
model VARCHAR The model.
version VARCHAR Its version.
environment VARCHAR Where it went, such as live.
time TIMESTAMP When.
run VARCHAR The run that deployed it: joins runs.id.
""",
    ),
    view(
        "columns",
        "One row a column that is registered of a model.",
        """
model VARCHAR The model.
role VARCHAR feature, tag, prediction, score, label, id or time; output is what the model gave back, as cells count it.
name VARCHAR The column's name.
type VARCHAR number, boolean, text or json.
purpose VARCHAR subject, embedding, text or image, where that was said.
unit VARCHAR Its unit.
whole BOOLEAN Whether all its numbers were whole so far.
declared BOOLEAN Whether log_model declared it.
since TIMESTAMP When it was first seen.
""",
    ),
    view(
        "column_changes",
        "One row a change of a model's columns.",
        """
model VARCHAR The model.
role VARCHAR The column's role.
name VARCHAR The column's name.
change VARCHAR new, missing, back, widened or conflict.
before VARCHAR What it was.
after VARCHAR What it became.
rows BIGINT How many rows showed it.
time TIMESTAMP When.
""",
    ),
    view(
        "verdicts",
        "One row a judgement of a closed window.",
        """
id BIGINT Its number.
model VARCHAR The model.
environment VARCHAR Where.
kind VARCHAR drift, quality, performance, contract or system.
window TIMESTAMP When the window began.
judged TIMESTAMP When it was judged.
status VARCHAR met, violated or unknown.
evidence DOUBLE How strong the evidence is.
strip DOUBLE The worst column, in times its own limit.
""",
    ),
    view(
        "incidents",
        "One row an incident, notices among them.",
        """
id BIGINT Its number.
model VARCHAR The model.
environment VARCHAR Where.
kind VARCHAR drift, quality, performance, contract or system.
severity VARCHAR notice, warning or page.
state VARCHAR open, acknowledged, muted or resolved.
onset TIMESTAMP When it began.
raised TIMESTAMP When it was raised.
closed TIMESTAMP When it ended.
""",
    ),
)
STATE_VIEWS: Final = (
    view(
        "rejected",
        "One row a line or value that could not be taken, with its reason and what it was.",
        """
id BIGINT Its number.
segment VARCHAR The segment of the log it stood in.
line BIGINT Its line there.
reason VARCHAR Why.
raw VARCHAR What it was.
rows BIGINT How many rows it stands for.
model VARCHAR The model.
role VARCHAR The column's role; NULL for a whole line.
name VARCHAR The column's name.
time TIMESTAMP When it was refused.
""",
    ),
    view(
        "drops",
        "One row a process and reason for which it could not write events.",
        """
writer VARCHAR The process.
reason VARCHAR Why.
rows BIGINT How many events.
time TIMESTAMP When it was last told.
""",
    ),
    view(
        "repeats",
        "One row an id that more than one prediction has; the earliest is counted.",
        """
model VARCHAR The model.
environment VARCHAR Where.
id VARCHAR The id.
rows BIGINT How many predictions have it.
""",
    ),
    view(
        "late_labels",
        "One row a model and environment whose labels came too late to count.",
        """
model VARCHAR The model.
environment VARCHAR Where.
rows BIGINT How many labels.
""",
    ),
    view(
        "audit",
        "One row a deed that changed what was recorded.",
        """
id BIGINT Its number.
time TIMESTAMP When.
action VARCHAR forget, retention, restore or import.
who VARCHAR Who asked for it.
record VARCHAR What was done, as JSON.
""",
    ),
    view(
        "questions",
        "One row a saved question.",
        """
name VARCHAR Its name.
sql VARCHAR The SELECT; `$name` are its parameters.
model VARCHAR The model that its predictions are bound to.
description VARCHAR What it answers.
time TIMESTAMP When it was saved.
""",
    ),
)
CATALOG_VIEWS: Final = (*GRAPH_VIEWS, *MODEL_VIEWS, *STATE_VIEWS)
DOCUMENTED: Final = {one.name: one for one in (*ROW_VIEWS, *CATALOG_VIEWS)}
"""Every view by name."""
