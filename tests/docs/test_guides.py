"""The README and the guides: built without warnings, reachable, and with commands that run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel

from tests.guides import DOCS, SKIP_REASONS, Block, blocks, pages
from textmill.config import KINDS, Config, Settings, settings_of
from textmill.config.masked import models_in

ROOT = DOCS.parent
MARKERS = {None, "skip", "until", "exits"}
LOADED = re.compile(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']?(https?:)?//""")
ALL = [block for page in pages() for block in blocks(page)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    # A page that is not in the navigation is a warning, as is a link that leads nowhere.
    assert built.returncode == 0, built.stderr
    return out


def test_every_page_is_built_and_loads_nothing_from_other_hosts(site: Path) -> None:
    for page in pages():
        built = site / page.relative_to(DOCS).with_suffix(".html")
        assert not LOADED.search(built.read_text(encoding="utf-8")), built


def test_every_setting_is_in_the_reference(site: Path) -> None:
    page = (site / "reference" / "settings.html").read_text(encoding="utf-8")
    documented = set(re.findall(r'id="textmill[.\w]*\.(\w+\.\w+)"', page))
    missing = {
        f"{model.__name__}.{field}"
        for model in set().union(*map(settings_in, (Config, *map(settings_of, KINDS))))
        for field in model.__annotations__.keys() & model.model_fields.keys()
    } - documented
    assert not missing


def settings_in(model: type[BaseModel]) -> set[type[BaseModel]]:
    """Return a model, those it is derived from, and those that its fields hold."""
    found = {one for one in model.__mro__ if issubclass(one, Settings) and one is not Settings}
    for field in model.model_fields.values():
        for inner in models_in(field.annotation):
            found |= settings_in(inner)
    return found


def test_the_readme_is_short_and_its_links_resolve() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 200
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", text)
    assert [link for link in links if not (ROOT / link).exists()] == []
    guides = {page.relative_to(ROOT).as_posix() for page in (DOCS / "guides").glob("*.md")}
    assert {link for link in links if link.startswith("docs/guides/")} == guides
    start = (DOCS / "index.md").read_text(encoding="utf-8")
    assert {f"docs/{link}" for link in re.findall(r"\]\((guides/[^)#]+)\)", start)} == guides


@pytest.mark.parametrize("block", ALL, ids=lambda block: block.page)
def test_a_block_of_commands_is_run_or_has_a_reason_to_be_skipped(block: Block) -> None:
    assert block.marker in MARKERS
    assert (block.marker == "skip") <= (block.value in SKIP_REASONS), block.value


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_only_bash_blocks_contain_commands(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"^\s*```(\w*)[^\n]*\n(.*?)^\s*```$", text, re.M | re.S)
    assert len(blocks(page)) == sum(language == "bash" for language, _ in fences)
    assert {language for language, _ in fences} <= {"bash", "text", "yaml", "python"}
    assert not [text for language, text in fences if language == "text" and "$ " in text]
