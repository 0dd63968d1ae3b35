from __future__ import annotations

from pathlib import Path

import pytest

LONG = "A sentence that is long enough, number {}."


@pytest.fixture
def sentences(tmp_path: Path) -> Path:
    file = tmp_path / "many.txt"
    file.write_text("\n".join(LONG.format(n) for n in range(40)))
    return file
