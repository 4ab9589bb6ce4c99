"""How the documented views belong together → worked examples: each runs as it stands, and stands in the reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Join:
    """A question that joins views, and what it answers."""

    sentence: str
    sql: str


JOINS: Final = (
    Join(
        "Each prediction with its truth, where that is known.",
        """\
SELECT p.model, p.id, p.prediction, l.label, p.prediction = l.label AS correct
FROM predictions p LEFT JOIN labels l ON l.model = p.model AND l.environment = p.environment AND l.id = p.id
ORDER BY p.time, p.id""",
    ),
    Join(
        "The run that wrote the model of each prediction, and what that run's function is.",
        """\
SELECT p.id, v.artifact, v.artifact_version, r.component, r.started, r.code->>'function' AS function, r.code->>'source_hash' AS source, r.code->>'commit' AS commit
FROM predictions p
JOIN model_versions v ON v.model = p.model AND v.version = p.version
JOIN writes w ON w.name = v.artifact AND w.version = v.artifact_version
JOIN runs r ON r.id = w.run
ORDER BY p.time, p.id, r.started""",
    ),
    Join(
        "The data that the model of a version was made from: what the run that wrote it read.",
        """\
SELECT DISTINCT v.model, v.version, a.name AS data, a.version AS data_version, a.rows, a.time AS first_seen
FROM model_versions v
JOIN writes w ON w.name = v.artifact AND w.version = v.artifact_version
JOIN reads i ON i.run = w.run
JOIN artifacts a ON a.name = i.name AND a.version = i.version
ORDER BY ALL""",
    ),
    Join(
        "Which version of which data made the worst accuracy.",
        """\
SELECT i.name AS data, i.version AS data_version, count(*) AS labelled, avg((p.prediction = l.label)::INT) AS accuracy
FROM predictions p
JOIN labels l ON l.model = p.model AND l.environment = p.environment AND l.id = p.id
JOIN model_versions v ON v.model = p.model AND v.version = p.version
JOIN writes w ON w.name = v.artifact AND w.version = v.artifact_version
JOIN reads i ON i.run = w.run
GROUP BY ALL ORDER BY accuracy""",
    ),
    Join(
        "The run that each prediction was made in, with the component's owner.",
        """\
SELECT p.id, r.component, c.owner, r.host, r.code->>'function' AS function
FROM predictions p JOIN runs r ON r.id = p.run LEFT JOIN components c ON c.name = r.component
ORDER BY p.time, p.id""",
    ),
    Join(
        "Who wrote what a run read: one step up the lineage.",
        """\
SELECT reader.component AS reader, i.name, i.version, writer.component AS writer, writer.id AS run
FROM reads i JOIN runs reader ON reader.id = i.run
LEFT JOIN writes w ON w.name = i.name AND w.version = i.version LEFT JOIN runs writer ON writer.id = w.run
ORDER BY ALL""",
    ),
)
