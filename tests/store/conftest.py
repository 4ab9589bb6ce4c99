from __future__ import annotations

import pytest

from tests.store.bench import Bench


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path / "store")
    yield made
    made.close()
