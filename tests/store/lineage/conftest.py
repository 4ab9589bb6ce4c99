"""An empty store for each test of lineage."""

from __future__ import annotations

import pytest

from tests.store.runs.graph import Pipeline


@pytest.fixture
def line(tmp_path):
    pipeline = Pipeline(tmp_path / "store")
    yield pipeline
    pipeline.close()
