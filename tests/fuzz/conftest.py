from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.ground import Ground


@pytest.fixture
def ground(tmp_path):
    made = Ground(tmp_path / "store")
    yield made
    made.close()


def pytest_collection_modifyitems(items):
    """Count all of the folder among what takes long: each looks at many broken logs."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.slow)
