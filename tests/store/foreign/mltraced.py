"""What a test says of components and runs → an mltrace database of it, in the schema that its last version makes."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta

import sqlalchemy as sa

META = sa.MetaData()
_POINTER_TYPES = sa.Enum("DATA", "MODEL", "ENDPOINT", "UNKNOWN", name="pointertypeenum")


def _table(name, *columns):
    return sa.Table(name, META, *columns)


components = _table(
    "components",
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("description", sa.String),
    sa.Column("owner", sa.String),
)
tags = _table("tags", sa.Column("name", sa.String, primary_key=True))
component_tags = _table("component_tags", sa.Column("component_name", sa.String), sa.Column("tag_name", sa.String))
component_runs = _table(
    "component_runs",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("component_name", sa.String),
    sa.Column("notes", sa.String),
    sa.Column("git_hash", sa.String),
    sa.Column("git_tags", sa.LargeBinary),
    sa.Column("code_snapshot", sa.LargeBinary),
    sa.Column("start_timestamp", sa.DateTime),
    sa.Column("end_timestamp", sa.DateTime),
    sa.Column("mlflow_run_id", sa.String),
    sa.Column("mlflow_run_params", sa.LargeBinary),
    sa.Column("mlflow_run_metrics", sa.LargeBinary),
    sa.Column("stale", sa.LargeBinary),
    sa.Column("test_results", sa.JSON),
)
io_pointers = _table(
    "io_pointers",
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.LargeBinary, primary_key=True),
    sa.Column("pointer_type", _POINTER_TYPES),
    sa.Column("flag", sa.Boolean),
)
inputs = _table(
    "component_runs_inputs",
    sa.Column("input_path_name", sa.String),
    sa.Column("input_path_value", sa.LargeBinary),
    sa.Column("component_run_id", sa.Integer),
)
outputs_of = _table(
    "component_runs_outputs",
    sa.Column("output_path_name", sa.String),
    sa.Column("output_path_value", sa.LargeBinary),
    sa.Column("component_run_id", sa.Integer),
)
dependencies = _table(
    "component_run_dependencies",
    sa.Column("component_run_id", sa.Integer, primary_key=True),
    sa.Column("depends_on_component_run_id", sa.Integer, primary_key=True),
)
labels = _table("labels", sa.Column("id", sa.String, primary_key=True))
labels_io_pointers = _table(
    "labels_io_pointers",
    sa.Column("label", sa.String),
    sa.Column("io_pointer_name", sa.String),
    sa.Column("io_pointer_value", sa.LargeBinary),
)
deleted_labels = _table(
    "deleted_labels", sa.Column("label", sa.String, primary_key=True), sa.Column("deletion_request_time", sa.DateTime)
)
outputs = _table(
    "outputs",
    sa.Column("timestamp", sa.DateTime),
    sa.Column("identifier", sa.String),
    sa.Column("task_name", sa.String),
    sa.Column("value", sa.Numeric),
)
feedback = _table(
    "feedback",
    sa.Column("timestamp", sa.DateTime),
    sa.Column("identifier", sa.String),
    sa.Column("task_name", sa.String),
    sa.Column("value", sa.Numeric),
)
START = datetime(2022, 3, 1, 12)
PLAIN = ("notes", "git_hash", "code_snapshot", "mlflow_run_id", "test_results")


class Mltraced:
    """A database that mltrace might have written; runs link to the newest run of each input's name, as it does."""

    def __init__(self, url):
        self.engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        META.drop_all(self.engine)
        META.create_all(self.engine)
        self.number = 0
        self.clock = START
        self._wrote = {}

    def put(self, table, **values):
        with self.engine.begin() as connection:
            connection.execute(table.insert().values(**values))

    def component(self, name, description="", owner="", tagged=()):
        self.put(components, name=name, description=description, owner=owner)
        for tag in tagged:
            self.put(component_tags, component_name=name, tag_name=tag)

    def run(self, component, reads=(), writes=(), upstream=(), **more):
        """Log a run that lasts a minute; gives its number."""
        self.number += 1
        self.clock = more.pop("start", self.clock + timedelta(minutes=10))
        pickled = {name: pickle.dumps(value) for name, value in more.items() if name not in PLAIN}
        plain = {name: value for name, value in more.items() if name in PLAIN}
        self.put(
            component_runs,
            id=self.number,
            component_name=component,
            start_timestamp=self.clock,
            end_timestamp=self.clock + timedelta(minutes=1),
            **plain,
            **pickled,
        )
        for name in reads:
            self.put(inputs, input_path_name=name, input_path_value=b"", component_run_id=self.number)
        found = {self._wrote[name] for name in reads if name in self._wrote} | set(upstream)
        for number in found - {self.number}:
            self.put(dependencies, component_run_id=self.number, depends_on_component_run_id=number)
        for name in writes:
            self.put(outputs_of, output_path_name=name, output_path_value=b"", component_run_id=self.number)
            if name not in self._wrote:
                self.put(io_pointers, name=name, value=b"", pointer_type="UNKNOWN", flag=False)
            self._wrote[name] = self.number
        return self.number

    def flag(self, name):
        with self.engine.begin() as connection:
            connection.execute(io_pointers.update().where(io_pointers.c.name == name).values(flag=True))

    def evil(self, component):
        """Log a run whose pickled column would run a program when it is loaded."""

        class Harm:
            def __reduce__(self):
                return json.loads, ('"harm"',)

        return self.run(component, git_tags=Harm())

    def task(self, table, task, pairs, start=START):
        with self.engine.begin() as connection:
            moments = [start + timedelta(seconds=number) for number in range(len(pairs))]
            rows = [
                {"timestamp": moment, "identifier": str(ident), "task_name": task, "value": value}
                for moment, (ident, value) in zip(moments, pairs, strict=True)
            ]
            connection.execute(table.insert(), rows)
