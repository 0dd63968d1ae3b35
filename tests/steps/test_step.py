"""Specifies what a step's code is: the modules that it reaches and the packages they use."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from textmill.steps import step as steps
from textmill.steps.graph import (
    BASELINE,
    CLEAN,
    EVALUATE,
    EVALUATE_LM,
    FINETUNE,
    PRETRAIN,
    SAMPLE,
    TOKENIZER,
    TOKENS,
)
from textmill.steps.step import Code, Step, code_of, edited_file

ALL = [SAMPLE, CLEAN, TOKENIZER, TOKENS, PRETRAIN, FINETUNE, BASELINE, EVALUATE, EVALUATE_LM]

SOURCE = '''"""What it is for."""

import json

LIMIT = 3


class Settings:
    """Has a field."""

    size: int = 4
    """Of something."""


def work(config, inputs, out):
    """Do it."""
    # why
    return json.dumps([LIMIT, "text"])
'''


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """The digest of a module with the given source."""
    monkeypatch.syspath_prepend(tmp_path)

    def code(source: str) -> str:
        (tmp_path / "a_step_module.py").write_text(source)
        importlib.invalidate_caches()
        steps._read_module.cache_clear()
        return code_of(Step("own", "a_step_module:work")).modules["a_step_module"]

    return code


@pytest.mark.parametrize(
    ("step", "module"),
    [
        (CLEAN, "textmill.corpus.cleaning.clean"),
        (CLEAN, "textmill.corpus.reading.records"),
        (CLEAN, "textmill.safety.redaction"),
        (PRETRAIN, "textmill.model.gpt"),
        (PRETRAIN, "textmill.training.optimization.optimizers"),
        (FINETUNE, "textmill.tasks.classification.network"),
        (BASELINE, "textmill.tasks.classification.baselines"),
        (FINETUNE, "textmill.corpus.reading.records"),
        (FINETUNE, "textmill.tasks"),
        (EVALUATE, "textmill.tasks.classification.metrics"),
        (BASELINE, "textmill.evaluation.regression"),
    ],
)
def test_a_step_reaches_modules_several_imports_deep(step: Step, module: str) -> None:
    assert module in code_of(step).modules


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.name)
def test_tracking_settings_and_errors_are_no_code_of_a_step(step: Step) -> None:
    for name in code_of(step).modules:
        assert name not in steps.NOT_CODE
        assert not name.startswith(("textmill.tracking", "textmill.compose"))


@pytest.mark.parametrize("step", ALL, ids=lambda step: step.name)
def test_the_function_of_every_step_exists(step: Step) -> None:
    module, _, name = step.function.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_distributions_are_those_of_the_standard_library() -> None:
    expected = importlib.metadata.packages_distributions()
    found = steps._distributions()
    assert {name: set(found[name]) for name in expected} == {k: {*v} for k, v in expected.items()}


@pytest.mark.parametrize(
    ("step", "present", "absent"),
    [
        (CLEAN, "ftfy", "torch"),
        (TOKENIZER, "tokenizers", "torch"),
        (TOKENS, "tokenizers", "matplotlib"),
        (PRETRAIN, "torch", "mlflow"),
        (PRETRAIN, "tokenizers", "sentencepiece"),
        (PRETRAIN, "lightning", "scikit-learn"),
        (FINETUNE, "torch", "mlflow"),
        (BASELINE, "scikit-learn", "mlflow"),
        (BASELINE, "scikit-learn", "torch"),
    ],
)
def test_packages_are_those_that_the_modules_import(step: Step, present: str, absent: str) -> None:
    packages = code_of(step).packages
    assert packages[present] == importlib.metadata.version(present)
    assert absent not in packages


def test_python_counts_as_a_package() -> None:
    assert code_of(CLEAN).packages["python"].count(".") == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# why", "# because"),
        ("    # why\n", ""),
        ("Do it.", "Do it well."),
        ("Of something.", "Of something else."),
        ('"""What it is for."""', ""),
        ("\n\n\nclass", "\n\nclass"),
        ("LIMIT = 3", "LIMIT  =  3"),
    ],
)
def test_comments_docstrings_and_layout_do_not_change_the_digest(
    digest: Callable[[str], str], old: str, new: str
) -> None:
    changed = SOURCE.replace(old, new)
    assert changed != SOURCE
    assert digest(changed) == digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("size: int = 4", "size: int = 5"),
        ('"text"', '"texts"'),
        ("import json", "import json as json"),
        ("def work(config", "def work(settings"),
    ],
)
def test_a_changed_expression_changes_the_digest(
    digest: Callable[[str], str], old: str, new: str
) -> None:
    assert digest(SOURCE.replace(old, new)) != digest(SOURCE)


@pytest.mark.parametrize(
    ("old", "new", "is_edited"),
    [
        ("LIMIT = 3", "LIMIT = 4", True),
        ("def work(", "def work((", True),
        ("# why", "# because", False),
        ("Do it.", "Do it well.", False),
    ],
)
def test_code_that_is_edited_after_it_was_read_is_noticed_and_not_read_again(
    digest: Callable[[str], str], tmp_path: Path, old: str, new: str, is_edited: bool
) -> None:
    step, file = Step("own", "a_step_module:work"), tmp_path / "a_step_module.py"
    before = digest(SOURCE)
    assert edited_file(step) is None
    file.write_text(SOURCE.replace(old, new))
    assert edited_file(step) == (file if is_edited else None)
    assert code_of(step).modules["a_step_module"] == before
    file.unlink()
    assert edited_file(step) == file


def test_an_import_inside_a_function_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lazy_step.py").write_text(
        "def work(config, inputs, out):\n    from textmill.safety import redaction\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert set(code_of(Step("lazy", "lazy_step:work")).modules) == {
        "lazy_step",
        "textmill.safety",
        "textmill.safety.redaction",
    } | set(reached("textmill.safety.redaction").modules)


def test_an_import_for_types_alone_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "typed_step.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from textmill.model import GPT\n    import torch\n"
        "else:\n    from textmill.safety import placeholders\n"
        "def work(config, inputs, out):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    code = code_of(Step("typed", "typed_step:work"))
    assert set(code.modules) == {
        "typed_step",
        "textmill.safety",
        "textmill.safety.placeholders",
    }
    assert set(code.packages) == {"python"}


def reached(module: str) -> Code:
    return code_of(Step("any", f"{module}:any"))


@pytest.fixture
def _threads_that_switch_while_trees_are_built() -> Iterator[None]:
    """Run Python code in every garbage collection, where another thread may get its turn."""

    def pause(phase: str, info: dict[str, int]) -> None:
        sum(range(50))

    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    gc.callbacks.append(pause)
    yield
    gc.callbacks.remove(pause)
    gc.set_threshold(*threshold)
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_threads_that_switch_while_trees_are_built")
def test_branches_side_by_side_find_the_same_code() -> None:
    expected = code_of(CLEAN)
    found: list[object] = []

    def look() -> None:
        steps._read_module.cache_clear()
        try:
            found.append(code_of(CLEAN))
        except SystemError as error:
            found.append(error)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
