from __future__ import annotations

import pytest

from tests.fuzz.ground import Ground


@pytest.fixture
def ground(tmp_path):
    made = Ground(tmp_path / "store")
    yield made
    made.close()
