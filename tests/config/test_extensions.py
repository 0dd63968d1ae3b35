"""Specifies extensions: which modules of users are loaded, how they fail, and what they change."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import textmill
from textmill.compose import compose
from textmill.config import KINDS, Config, extensions, key_values
from textmill.config.extensions import load
from textmill.corpus.cleaning import clean
from textmill.corpus.cleaning.filters.chain import described, filters_of
from textmill.corpus.cleaning.workers import pool
from textmill.errors import InputError
from textmill.evaluation.metrics import Metric
from textmill.hardware import THREADS_VARIABLE
from textmill.steps.graph import BASELINE, CLEAN, EVALUATE, FINETUNE, GRAPH
from textmill.steps.key import describe_step
from textmill.steps.process import Job
from textmill.steps.step import Step, _read_module, code_of
from textmill.tasks.kinds import definitions, metrics_of

STARS = Path(__file__).parents[1] / "extensions" / "stars"
LENGTH = """
from textmill.evaluation.metrics import Metric
LIMIT = 9
length = Metric("length", of_example=lambda row: min(LIMIT, len(row["text"])))
METRICS = {"classification": (length,)}
"""


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins with no extension, and what it loads is forgotten."""
    monkeypatch.setattr(extensions, "_loaded", {})
    monkeypatch.setattr(extensions, "_names", set())
    monkeypatch.setenv(extensions.FOLDERS_VARIABLE, "")
    before = dict(KINDS)
    yield
    for name in [n for n in sys.modules if f"{n}.".startswith(f"{extensions.PACKAGE}.")]:
        del sys.modules[name]
    vars(textmill).pop("extensions", None)
    KINDS.clear()
    KINDS.update(before)
    _read_module.cache_clear()


@pytest.fixture
def composed(tmp_path: Path) -> Callable[..., Config]:
    """Composes a user's configuration with extensions beside its file."""

    def make(*entries: object, task: dict[str, Any] | None = None) -> Config:
        rows = tmp_path / "rows.jsonl"
        rows.write_text('{"text": "fine", "label": "a"}\n')
        values = {"name": "mood", "kind": "classification", "train": "rows.jsonl"}
        task = values | {"test": "rows.jsonl"} | (task or {})
        file = tmp_path / "my.yaml"
        file.write_text(
            "defaults: [base, _self_]\n"
            f"extensions: [{', '.join(map(str, entries))}]\n"
            "corpus: {sources: [{name: own, path: rows.jsonl}]}\n"
            f"tasks: [{task}]\n"
        )
        return compose(str(file))

    return make


def modules_of(step: Step, config: Config) -> set[str]:
    part = GRAPH.part(step, None if step is CLEAN else config.tasks[0].name)
    description = describe_step(step, part.configure(config), {})
    return {name for name in description["code"] if name.startswith(extensions.PACKAGE)}


def test_a_metric_of_a_users_file_is_a_metric_of_its_kind(
    composed: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "length.py").write_text(LENGTH)
    (task,) = composed("length.py").tasks
    assert task.metrics == ("textmill.extensions.length",)
    *_, metric = definitions(task.kind, task.metrics)
    assert isinstance(metric, Metric)
    assert metric.of_example is not None
    assert metric.of_example({"text": "four"}) == 4
    assert definitions("tagging") == metrics_of("tagging").METRICS


def test_metric_code_is_only_in_keys_of_scoring_steps(
    composed: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "length.py").write_text(LENGTH)
    config = composed("length.py")
    for step, own in (
        (BASELINE, {"textmill.extensions", "textmill.extensions.length"}),
        (EVALUATE, {"textmill.extensions", "textmill.extensions.length"}),
        (FINETUNE, {"textmill.extensions"}),
        (CLEAN, {"textmill.extensions"}),
    ):
        assert modules_of(step, config) <= own
        assert ("textmill.extensions.length" in own) == (
            "textmill.extensions.length" in modules_of(step, config)
        )
    values = key_values(GRAPH.part(EVALUATE, "mood").configure(config))
    before = code_of(EVALUATE, values).modules
    (tmp_path / "length.py").write_text(LENGTH.replace("9", "8"))
    _read_module.cache_clear()
    after = code_of(EVALUATE, values).modules
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"textmill.extensions.length"}


def test_a_key_is_independent_of_the_extensions_location(
    composed: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "length.py").write_text(LENGTH)
    config = composed("here/length.py")
    description = describe_step(EVALUATE, GRAPH.part(EVALUATE, "mood").configure(config), {})
    assert str(tmp_path) not in str(description)


def test_a_folder_with_the_modules_of_a_kind_is_a_kind_of_task(
    composed: Callable[..., Config],
) -> None:
    config = composed(STARS, task={"kind": "stars", "label": "label"})
    (task,) = config.tasks
    assert task.kind == "stars"
    assert type(task).__name__ == "StarsConfig"
    assert [metric.name for metric in definitions("stars")] == ["mean_error", "accuracy"]
    own = modules_of(FINETUNE, config)
    assert {"textmill.extensions.stars.examples", "textmill.extensions.stars.network"} <= own
    assert "textmill.extensions.stars.page" not in own
    assert "textmill.extensions.stars.metrics" in modules_of(EVALUATE, config)
    assert "textmill.tasks.classification.network" in describe_step(FINETUNE, task, {})["code"]


def test_unknown_settings_of_an_extension_kind_have_a_suggestion(
    composed: Callable[..., Config],
) -> None:
    with pytest.raises(InputError, match=r"tasks.mood.lable is not a setting. Did you mean"):
        composed(STARS, task={"kind": "stars", "lable": "label"})


def test_without_its_extension_a_kind_is_unknown(composed: Callable[..., Config]) -> None:
    with pytest.raises(InputError, match=r"tasks.mood.kind=stars: choose one of classification,"):
        composed(task={"kind": "stars"})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.py", None, r"extensions: .*gone.py does not exist"),
        (
            "wrong.py",
            "1 / 0",
            r"wrong.py .* \(ZeroDivisionError: .*wrong.py, line 1",
        ),
        ("wrong.py", "import nothing_of_that_name", r"No module named 'nothing_of_that_name'"),
        ("half.py", "def f(:", r"half.py cannot be imported \(SyntaxError"),
        ("my-file.py", "", r"'my-file' is not a valid identifier: rename it"),
        ("not_installed.at_all", None, r"extensions: not_installed.at_all cannot be imported"),
    ],
)
def test_an_extension_that_cannot_be_loaded_is_reported_with_the_reason(
    composed: Callable[..., Config], tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        composed(name)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("corpus.filters=[own]", "corpus.filters is filled in from extensions"),
        ("tasks.mood.metrics=[own]", "tasks.mood.metrics is filled in from extensions"),
    ],
)
def test_derived_settings_cannot_be_set(
    composed: Callable[..., Config], tmp_path: Path, override: str, message: str
) -> None:
    composed()
    with pytest.raises(InputError, match=message):
        compose(str(tmp_path / "my.yaml"), [override])


def test_two_extensions_of_one_name_are_refused(
    composed: Callable[..., Config], tmp_path: Path
) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text("")
    with pytest.raises(InputError, match=r"have the same name, 'mine': rename one"):
        composed("a/mine.py", "b/mine.py")


def test_an_installed_module_is_loaded_by_its_name(
    composed: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "installed_here"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("LIMIT = 9")
    content = LENGTH.replace("LIMIT = 9", "from .helper import LIMIT")
    (package / "lengths.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    config = composed("installed_here.lengths")
    assert config.tasks[0].metrics == ("installed_here.lengths",)
    code = describe_step(EVALUATE, GRAPH.part(EVALUATE, "mood").configure(config), {})["code"]
    assert {"installed_here.lengths", "installed_here.helper"} <= code.keys()


def test_no_module_is_imported_because_a_record_names_it(tmp_path: Path) -> None:
    assert definitions("classification", ["antigravity"]) == metrics_of("classification").METRICS
    assert "antigravity" not in sys.modules


READ = """
import pickle, sys
job = pickle.load(open(sys.argv[1], "rb"))
from textmill.config.extensions import known
print(type(job.config).__module__, job.config.text, *known().kinds.items())
"""


def test_another_process_can_read_a_job_whose_settings_an_extension_defines(
    composed: Callable[..., Config], tmp_path: Path
) -> None:
    """As the fork server has to, which started before anything was composed."""
    (task,) = composed(STARS, task={"kind": "stars", "label": "label"}).tasks
    job = Job(FINETUNE, task, {}, tmp_path / "out", tmp_path / "work", 1)
    file = tmp_path / "job.pickle"
    file.write_bytes(pickle.dumps(job))
    done = subprocess.run(
        [sys.executable, "-c", READ, str(file)], capture_output=True, text=True, check=False,
        env={"PATH": ""},
    )  # fmt: skip
    package = "textmill.extensions.stars"
    # What it knows it hands on: on a cluster, a job is handed on once more.
    assert done.stdout == f"{package}.settings text {('stars', package)}\n", done.stderr


def _name_of(module: str) -> str:
    return __import__(module, fromlist=["x"]).__name__


def test_processes_that_are_spawned_find_the_files(
    composed: Callable[..., Config], tmp_path: Path
) -> None:
    (tmp_path / "length.py").write_text(LENGTH)
    composed("length.py")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_name_of, ("textmill.extensions.length",)) == "textmill.extensions.length"


def test_loading_twice_imports_once(tmp_path: Path) -> None:
    (tmp_path / "once.py").write_text("VALUE = object()")
    entry = str(tmp_path / "once.py")
    (first,), (second,) = load([entry]), load([entry])
    assert isinstance(first.module, ModuleType)
    assert first is second


SHOUTING = """
from textmill.corpus.cleaning.filters import Filter

class Shouting(Filter):
    name = "{name}"

    def __init__(self, max_share):
        self.max_share = max_share

    def judge(self, documents):
        for document in documents:
            share = sum(map(str.isupper, document.text)) / len(document.text)
            yield self.reject(f"capitals {{share:.2f}}") if share > self.max_share else None

FILTERS = (Shouting(0.5),)
"""


def test_a_filter_of_a_users_file_acts_before_texts_of_test_sets_in_any_process(
    composed: Callable[..., Config], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shouting.py").write_text(SHOUTING.format(name="shouting"))
    config = composed("shouting.py")
    rows = [f'{{"text": "{" ".join(f"{n}x{i}" for i in range(9))}"}}' for n in range(40)]
    rows[30:30] = ['{"text": "A LINE OF LOUD WORDS ALONE"}'] * 2
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    names = [one.name for one in filters_of(config.corpus)]
    assert names.index("fineweb") < names.index("shouting") < names.index("contaminated")
    assert "textmill.extensions.shouting" in modules_of(CLEAN, config)
    monkeypatch.setattr(clean, "_CHUNK_DOCUMENTS", 4)
    monkeypatch.setattr(pool, "_MIN_LOCAL_CHUNKS", 1)
    monkeypatch.setenv(THREADS_VARIABLE, "2")
    part = GRAPH.part(CLEAN, None)
    split = {"validation_share": 0.3}
    clean.clean(part.configure(config).model_copy(update=split), {}, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert (metrics["rejected_shouting"], metrics["documents_kept"]) == (2, 40)
    assert described(config.corpus)["shouting"] == "shouting"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "FILTERS = (len,)",
            r"contains <built-in function len>, which is not a filter: use an inst",
        ),
        (
            SHOUTING.format(name="c4"),
            r"has the name 'c4', which is already in use: set a diff",
        ),
        (
            SHOUTING.format(name="No Shouting"),
            r"'No Shouting', which is not a lower-case identifier",
        ),
    ],
)
def test_an_invalid_filter_is_reported_with_its_file(
    composed: Callable[..., Config], tmp_path: Path, code: str, message: str
) -> None:
    (tmp_path / "mine.py").write_text(code)
    with pytest.raises(InputError, match=rf"^extensions: .*mine\.py.*{message}"):
        filters_of(composed("mine.py").corpus)
