"""Changes of textmill that show how many files one piece of knowledge stands in.

Each is a real change: new files, which lie in `house_files/` as they do in the tree, and edits of
what is there. It is applied to a copy of the tracked sources, where what it touches is measured.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = Path(__file__).with_name("house_files")
TESTS = ("tests/test_house.py", "tests/test_exported_members.py")
"""What they hold of modules and public names may need a file more."""
_EXPORTED = "tests/exported_members.yaml"
COPIED = ("src", "flows", "conf", "pyproject.toml", *TESTS, _EXPORTED)
STARS = "tests/extensions/stars"
"""A kind of task that tests load as an extension; here it becomes one of textmill's own."""


@dataclass(frozen=True)
class Edit:
    """A text that stands once in a file, and what takes its place."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Change:
    """A change, and how many files it may touch; a new folder counts as one."""

    title: str
    target: str
    """In words."""
    max_files: int
    """Outside conf/."""
    max_conf: int
    folder: str | None = None
    """In `house_files/`: new files, laid out as in the tree."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Folders of the checkout that are copied into the tree, and where to."""
    edits: tuple[Edit, ...] = ()

    def holds(self, touched: list[str]) -> bool:
        """Return whether the target is met."""
        n_conf = sum(file.startswith("conf/") for file in touched)
        return n_conf <= self.max_conf and len(touched) - n_conf <= self.max_files


_GRAPH = "src/textmill/steps/graph.py"
_CONFIG = "src/textmill/config/__init__.py"

CHANGES = {
    "kind": Change(
        "a new kind of task with its own metric, baseline, plot and report part",
        "its folder + 1, and a file in conf/",
        max_files=2,
        max_conf=1,
        folder="kind",
        copies={STARS: "src/textmill/tasks/stars"},
        edits=(
            Edit(
                _EXPORTED,
                "textmill.tasks.tagging: [",
                "textmill.tasks.stars: []\ntextmill.tasks.tagging: [",
            ),
            Edit(
                "src/textmill/config/tasks.py",
                '        "classification",\n',
                '        "stars",\n        "classification",\n',
            ),
        ),
    ),
    "filter": Change(
        "a new filter with settings",
        "3 + conf",
        max_files=3,
        max_conf=1,
        folder="filter",
        edits=(
            Edit(
                "src/textmill/corpus/cleaning/filters/chain.py",
                "from textmill.corpus.cleaning.filters.contamination import Contamination\n",
                "from textmill.corpus.cleaning.filters.capitals import Capitals\n"
                "from textmill.corpus.cleaning.filters.contamination import Contamination\n",
            ),
            Edit(
                "src/textmill/corpus/cleaning/filters/chain.py",
                "    OtherLanguage(),\n",
                "    OtherLanguage(),\n    Capitals(),\n",
            ),
            Edit(
                "src/textmill/config/data.py",
                "class ExactDuplicatesConfig(Settings):\n",
                "class CapitalsConfig(Settings):\n"
                '    """Documents in capitals."""\n\n'
                "    enabled: bool = False\n"
                "    max_share: float = Field(0.5, gt=0, le=1)\n"
                '    """Maximum share of a document\'s characters."""\n\n\n'
                "class ExactDuplicatesConfig(Settings):\n",
            ),
            Edit(
                "src/textmill/config/data.py",
                "    exact_duplicates: ExactDuplicatesConfig = ",
                "    capitals: CapitalsConfig = CapitalsConfig()\n"
                "    exact_duplicates: ExactDuplicatesConfig = ",
            ),
            Edit(
                "conf/corpus/default.yaml",
                "exact_duplicates: {",
                "capitals: {enabled: false, max_share: 0.5}\nexact_duplicates: {",
            ),
        ),
    ),
    "step": Change(
        "a new step in the chain, with settings, whose result later steps read",
        "3",
        max_files=3,
        max_conf=0,
        folder="step",
        edits=(
            Edit(_CONFIG, '    "TaskConfig",\n', '    "SubsampleConfig",\n    "TaskConfig",\n'),
            Edit(_EXPORTED, " TaskConfig,", " SubsampleConfig, TaskConfig,"),
            Edit(
                _CONFIG,
                "class Config(Settings):\n",
                "class SubsampleConfig(Settings):\n"
                '    """The documents to train on."""\n\n'
                "    share: float = Field(1.0, gt=0, le=1)\n"
                '    """Share of the training documents to keep, chosen by their ids."""'
                "\n\n\n"
                "class Config(Settings):\n",
            ),
            Edit(
                _CONFIG,
                "    tokenizer: OpenTokenizerConfig = ",
                "    subsample: SubsampleConfig = SubsampleConfig()\n"
                "    tokenizer: OpenTokenizerConfig = ",
            ),
            Edit(
                _GRAPH,
                "TOKENIZER = Step(",
                'SUBSAMPLE = Step("subsample", "textmill.corpus.subsample:subsample")\n'
                "TOKENIZER = Step(",
            ),
            Edit(
                _GRAPH,
                "        Shared(\n            TOKENIZER,\n",
                '        Shared(SUBSAMPLE, lambda config: config.subsample, {"corpus": CLEAN}),\n'
                "        Shared(\n            TOKENIZER,\n",
            ),
            Edit(
                _GRAPH, '            {"corpus": CLEAN},\n', '            {"corpus": SUBSAMPLE},\n'
            ),
            Edit(_GRAPH, '{"corpus": CLEAN, "tokenizer"', '{"corpus": SUBSAMPLE, "tokenizer"'),
        ),
    ),
    "score": Change(
        "a new score on the parent run and in the gate",
        "1",
        max_files=1,
        max_conf=0,
        edits=(
            Edit(
                "src/textmill/tasks/tagging/metrics.py",
                'METRICS = (Metric("f1", leads=True), ',
                'METRICS = (\n    Metric(\n        "sentence_accuracy",\n        leads=True,\n'
                '        of_example=lambda row: float(row["tags"] == row["reference"]),\n    ),\n'
                '    Metric("f1"),\n    ',
            ),
        ),
    ),
}


def copy_sources(tree: Path) -> None:
    """Copy the tracked sources into an empty folder; symbolic links stay links."""
    command = ["git", "ls-files", "-z", *COPIED]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.rstrip("\0").split("\0"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, tree / name, follow_symlinks=False)


def apply(change: Change, tree: Path) -> None:
    """Apply a change to a copy of the sources.

    Raises:
        ValueError: a text that it edits is not there once, or a file that it adds is there.
    """
    copies = {ROOT / source: tree / place for source, place in change.copies.items()}
    if change.folder is not None:
        copies[FILES / change.folder] = tree
    for source, place in copies.items():
        for file in sorted(source.rglob("*")):
            target = place / file.relative_to(source)
            if file.is_dir() or file.suffix == ".pyc":
                continue
            if target.exists():
                raise ValueError(f"{target} is there already: give the new file another name.")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
    for edit in change.edits:
        text = (tree / edit.file).read_text(encoding="utf-8")
        if (count := text.count(edit.old)) != 1:
            raise ValueError(
                f"{edit.file} has {edit.old!r} {count} times instead of once: adapt the edit in "
                f"benchmarks/{Path(__file__).name}."
            )
        (tree / edit.file).write_text(text.replace(edit.old, edit.new), encoding="utf-8")


def touched(tree: Path) -> list[str]:
    """Return the files that differ from the checkout's, sorted, but for tests.

    A new folder, which ends in a slash, stands for its files.
    """
    found = set()
    for file in tree.rglob("*"):
        name = file.relative_to(tree)
        if file.is_symlink() or not file.is_file():
            continue
        if name.parts[0] == "tests" or "__pycache__" in name.parts:
            continue
        original = ROOT / name
        if not original.exists():
            parents = [one for one in name.parents if not (ROOT / one).exists()]
            found.add(f"{parents[-1]}/" if parents else str(name))
        elif original.read_bytes() != file.read_bytes():
            found.add(str(name))
    return sorted(found)
