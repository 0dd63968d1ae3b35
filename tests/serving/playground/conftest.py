from __future__ import annotations

from tests.serving.pages import *  # noqa: F403  # the fixtures, by its __all__
