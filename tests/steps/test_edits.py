"""Specifies what an edit of each source file costs: the steps that are computed again for it.

edits.txt holds them, a line for each file, so that a review sees what an import costs; an edit of a
file that it does not name costs nothing. Kinds stand with a step that there is for each task,
unless it is all of them. After a change that is meant, write it anew:

    python -m tests.steps.test_edits > tests/steps/edits.txt
"""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import textmill
from textmill.config import KINDS
from textmill.steps import step as steps
from textmill.steps.graph import GRAPH
from textmill.steps.parts import PerTask
from textmill.steps.step import Code, code_of

TABLE = Path(__file__).with_name("edits.txt")
WRITE_ANEW = f"python -m tests.steps.{Path(__file__).stem} > tests/steps/{TABLE.name}"
SHOWN = (
    "reports/**/*.py",
    "registry/**/*.py",
    "tracking/**/*.py",
    "web/**/*.py",
    "evaluation/plots.py",
    "evaluation/significance.py",
    "tasks/shown.py",
    "tasks/statistics.py",
    "tasks/*/page.py",
    "tasks/*/statistics.py",
)
"""What shows, compares and keeps results."""


class Copy:
    """A copy of the package, in which files are edited and from which keys are made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, steps._Module] = {}

    def read_module(self, name: str) -> steps._Module:
        """Return a module as it was when it was first read, or has been since it was forgotten."""
        if name not in self._read:
            self._read[name] = steps._parse(name)
        return self._read[name]

    def files(self, pattern: str = "**/*.py") -> list[str]:
        """Return the paths of files, below the package."""
        return sorted(str(file.relative_to(self.folder)) for file in self.folder.glob(pattern))

    def changed(self, file: str, content: str) -> list[str]:
        """Return the steps whose code is another while a file has this content."""
        path, before, original = self.folder / file, self._code(), self._content(file)
        name = ".".join(["textmill", *Path(file).with_suffix("").parts]).removesuffix(".__init__")
        try:
            path.write_text(content, encoding="utf-8")
            self._read.pop(name, None)
            after = self._code()
        finally:
            path.write_text(original, encoding="utf-8")
            self._read.pop(name, None)
        return list(_named([part for part in before if after[part] != before[part]]))

    def edited(self, file: str) -> list[str]:
        """Return the steps whose code is another with one constant more in a file."""
        return self.changed(file, f"{self._content(file)}\nEDITED = 1\n")

    def documented(self, file: str) -> list[str]:
        """Return the steps whose code is another with other comments and docstrings in a file."""
        return self.changed(file, f'"""Edited."""\n# Edited.\n{self._content(file)}')

    def _content(self, file: str) -> str:
        return (self.folder / file).read_text(encoding="utf-8")

    def _code(self) -> dict[tuple[str, str | None], Code]:
        return {
            (node.step.name, kind): code_of(node.step, {"kind": kind})
            for node in GRAPH.nodes
            for kind in (KINDS if isinstance(node, PerTask) else (None,))
        }


def _named(parts: list[tuple[str, str | None]]) -> Iterator[str]:
    """Yield the name of each step, with kinds unless it is all of them."""
    for step in dict.fromkeys(name for name, _ in parts):
        kinds = [kind for name, kind in parts if name == step and kind]
        yield f"{step} ({', '.join(kinds)})" if 0 < len(kinds) < len(KINDS) else step


@contextmanager
def copied() -> Iterator[Copy]:
    """Make keys from a copy of the package."""
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        source, copy = Path(textmill.__file__).parent, Copy(Path(folder) / "textmill")
        shutil.copytree(source, copy.folder, ignore=shutil.ignore_patterns("__pycache__"))
        patch.setattr(textmill.__spec__, "origin", str(copy.folder / "__init__.py"))
        patch.setattr(steps, "_read_module", copy.read_module)
        yield copy


def table(copy: Copy) -> Iterator[str]:
    """Yield a line for each file whose edit costs something."""
    for file in copy.files():
        if changed := copy.edited(file):
            yield f"{file}: {', '.join(changed)}\n"


@pytest.fixture(scope="module")
def copy() -> Iterator[Copy]:
    with copied() as copy:
        yield copy


@pytest.mark.slow
def test_the_steps_that_an_edit_of_a_file_costs_are_those_of_the_table(copy: Copy) -> None:
    expected = TABLE.read_text(encoding="utf-8").splitlines(keepends=True)
    lines = difflib.unified_diff(expected, list(table(copy)), TABLE.name, "now", n=0)
    differences = "".join(lines)
    assert not differences, f"\n{differences}\nIf that is meant: {WRITE_ANEW}"


@pytest.mark.parametrize("pattern", SHOWN)
def test_what_shows_and_compares_results_costs_nothing(copy: Copy, pattern: str) -> None:
    files = copy.files(pattern)
    assert files
    assert {file: copy.edited(file) for file in files} == dict.fromkeys(files, [])


BUILT_ON = {
    "translation": "generation, translation",
    "classification": "classification, multilabel",
}
"""Kinds with others that are built on their network."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_costs_the_steps_of_its_own_tasks_alone(copy: Copy, kind: str) -> None:
    steps = {"baseline", "cases", "finetune", "evaluate", "behaviour", "folds", "curve"}
    # The labels of new text are predicted.
    drift = {"drift"} if kind in ("classification", "multilabel") else set[str]()
    costs = {file: copy.edited(file) for file in copy.files(f"tasks/{kind}/*.py")}
    all_costs = set[str]().union(*costs.values())
    assert {cost.partition(" ")[0] for cost in all_costs} == steps | drift
    kinds = {cost.partition(" ")[2].strip("()") for cost in all_costs - drift}
    assert kinds <= {kind, BUILT_ON.get(kind, kind)}
    assert f"baseline ({kind})" not in costs[f"tasks/{kind}/network.py"]
    # The baseline can be a task's model; that of texts with several labels shares its n-grams.
    of = BUILT_ON[kind] if kind == "classification" else kind
    of_baseline = {f"{step} ({of})" for step in steps - {"cases"}} | drift
    assert set(costs[f"tasks/{kind}/baselines.py"]) == of_baseline


@pytest.mark.parametrize("file", ["model/gpt.py", "corpus/__init__.py"])
def test_comments_and_docstrings_cost_nothing(copy: Copy, file: str) -> None:
    assert copy.edited(file)
    assert copy.documented(file) == []


if __name__ == "__main__":
    with copied() as shown:
        sys.stdout.writelines(table(shown))
