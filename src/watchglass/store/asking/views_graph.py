"""What a question may ask of the graph: runs, artifacts, what was read and written, environments, sources, flags, tags of subjects."""

from __future__ import annotations

from typing import Final

from watchglass.store.asking.view import view

_EDGE: Final = """
run VARCHAR The run's id: joins runs.id.
name VARCHAR The artifact's name: joins artifacts.name.
version VARCHAR The artifact's version: joins artifacts.version; empty where only the name was declared.
rule VARCHAR By what it is known: content, time or declared.
time TIMESTAMP When.
"""
GRAPH_VIEWS: Final = (
    view(
        "runs",
        "One row a run of a component.",
        """
id VARCHAR The run's id.
component VARCHAR What ran: joins components.name.
version VARCHAR The component's version: the user's, else a fingerprint of the function's source.
parent VARCHAR The run it was part of: joins runs.id.
trace VARCHAR The trace it belongs to.
started TIMESTAMP When it began.
ended TIMESTAMP When it ended; NULL while it runs.
status VARCHAR running, ok, error or crashed.
error VARCHAR What went wrong.
params VARCHAR Its parameters as a JSON object.
metrics VARCHAR Its metrics as a JSON object, the last of each name.
code VARCHAR Its function, the hash of its source, the commit, its tag and the hash of uncommitted changes, as a JSON object.
host VARCHAR The machine.
pid BIGINT The process.
notes VARCHAR Its notes as a JSON list.
environment VARCHAR What it ran in: joins environments.id.
resources VARCHAR Seconds of CPU, bytes of memory at most, bytes read and written, as a JSON object.
left_out VARCHAR What capture left out, and why, as a JSON list.
tests VARCHAR The results of the tests before and after it, as a JSON list.
links VARCHAR The trace context it came with, as a JSON object.
""",
    ),
    view(
        "artifacts",
        "One row a version of an artifact; the version is a fingerprint of its content.",
        """
name VARCHAR The artifact's name.
version VARCHAR Its version.
kind VARCHAR What it is: table, file, estimator and the like.
rows BIGINT Rows, of a table.
columns VARCHAR Columns, of a table, as JSON.
bytes BIGINT Its size.
path VARCHAR The file, where it is one.
preview VARCHAR Its beginning as text.
time TIMESTAMP When it was first seen.
kept VARCHAR The file below artifacts/ that holds its bytes; NULL where nothing was kept.
policy VARCHAR What was kept of it: profile, sample or full; NULL is nothing but the version.
profile VARCHAR Its profile as a JSON object.
quarantined TIMESTAMP Since when a failed test keeps it in quarantine; NULL where none does, or a person released it.
""",
    ),
    view("reads", "One row an artifact that a run read.", _EDGE),
    view("writes", "One row an artifact that a run wrote.", _EDGE),
    view(
        "run_links",
        "One row a run and one that it depends on, though no data between them is named.",
        """
run VARCHAR The run's id: joins runs.id.
upstream VARCHAR The run that it depends on: joins runs.id.
time TIMESTAMP When the run began.
""",
    ),
    view(
        "environments",
        "One row an environment that runs ran in.",
        """
id VARCHAR A digest of it.
record VARCHAR Python, packages, machine, container and accelerator, as a JSON object.
time TIMESTAMP When it was first seen.
""",
    ),
    view(
        "sources",
        "One row a version of a function's source.",
        """
id VARCHAR The hash of it: joins source_hash in runs.code.
text VARCHAR The source.
name VARCHAR The function.
time TIMESTAMP When it was first seen.
""",
    ),
    view(
        "quarantines",
        "One row a time that a failed test put an artifact version in quarantine.",
        """
name VARCHAR The artifact's name: joins artifacts.name.
version VARCHAR Its version.
time TIMESTAMP When the test failed.
run VARCHAR The run that wrote it: joins runs.id.
released TIMESTAMP When a person released it; NULL while it stands.
released_by VARCHAR Who released it.
reason VARCHAR Why it may be used again.
""",
    ),
    view(
        "flags",
        "One row a flag: somebody says that an output is bad.",
        """
name VARCHAR The output's name: joins writes.name.
version VARCHAR Its version; empty where only the name is meant.
time TIMESTAMP When it was flagged.
who VARCHAR Who flagged it.
note VARCHAR Why.
removed TIMESTAMP When it was taken back; NULL while it stands.
removed_by VARCHAR Who took it back.
""",
    ),
    view(
        "subject_tags",
        "One row a subject's tag on an artifact: whose data is in it.",
        """
name VARCHAR The artifact's name: joins artifacts.name.
version VARCHAR Its version; empty where only the name is meant.
tag VARCHAR The subject's tag.
run VARCHAR The run that said so; empty where none did.
time TIMESTAMP When it was said.
""",
    ),
    view(
        "retractions",
        "One row a tag whose subject wants its data used no more.",
        """
tag VARCHAR The subject's tag.
time TIMESTAMP When it was retracted.
block_after TIMESTAMP From when on a run that reads it is stopped; until then it is warned.
who VARCHAR Who asked for it.
""",
    ),
    view(
        "components",
        "One row a named step.",
        """
name VARCHAR The component's name.
description VARCHAR What it does.
owner VARCHAR Who owns it.
tags VARCHAR Its tags as a JSON list.
time TIMESTAMP When it was first seen.
""",
    ),
)
