"""Specifies which tasks of lm-eval are read, and that no code of theirs runs unasked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tasks.language_model.harness.conftest import CHOICE_TASK
from textmill.errors import InputError
from textmill.tasks.language_model.harness.evaluation import evaluate_tasks
from textmill.tasks.language_model.harness.task_files import PACKAGE, Tasks

MARK = "ran"


def write(folder: Path, text: str, name: str = "choice.yaml") -> None:
    (folder / name).write_text(text)


@pytest.mark.slow
def test_an_unknown_task_is_named_with_close_ones(tasks: Path) -> None:
    with pytest.raises(
        InputError, match="no task .local_chioce. of lm-eval; did you mean .*local_choice"
    ):
        Tasks(tasks, ["local_chioce"])


@pytest.mark.slow
def test_a_task_of_the_package_is_known_beside_those_of_a_folder(tasks: Path) -> None:
    known = Tasks(tasks, ["local_choice", "hellaswag"]).all_tasks
    assert {"local_choice", "local_text", "hellaswag"} <= {*known}


@pytest.mark.parametrize(
    ("folder", "named"), [("nowhere", "is not a folder"), (".", r"has no \*\.yaml file")]
)
def test_a_folder_without_tasks_is_named(tmp_path: Path, folder: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        Tasks(tmp_path / folder, ["local_choice"])


def test_data_that_cannot_be_fetched_are_named_with_the_way_out(
    tasks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: Any) -> None:
        raise ConnectionError("Couldn't reach 'some/data' on the Hub")

    monkeypatch.setattr("datasets.load_dataset", fail)
    with pytest.raises(
        InputError,
        match=r"local_choice cannot be loaded: .*reach 'some/data'.*"
        r"dataset_path: json.*--include",
    ):
        Tasks(tasks, ["local_choice"]).load(["local_choice"])


@pytest.mark.parametrize(
    ("raised", "named"),
    [
        (
            ModuleNotFoundError("No module named 'langdetect'", name="langdetect"),
            "langdetect, which",
        ),
        (ImportError("Please install ifeval"), r"a package, which is not installed \(Please"),
    ],
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tasks: Path, monkeypatch: pytest.MonkeyPatch, raised: ImportError, named: str
) -> None:
    def fail(**_: Any) -> None:
        raise raised

    monkeypatch.setattr("datasets.load_dataset", fail)
    with pytest.raises(
        InputError, match=rf"local_choice needs .*{named}.*with pip; lm-eval has extras"
    ):
        Tasks(tasks, ["local_choice"]).load(["local_choice"])


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"num_beams": 4}, "num_beams not supported"),
        ({"temperature": -1.0, "do_sample": True}, "temperature=-1.0: Input should be greater"),
    ],
)
def test_unsupported_decoding_is_named_before_anything_is_computed(
    tasks: Path, settings: dict[str, Any], named: str
) -> None:
    values = yaml.safe_load((tasks / "choice.yaml").read_text())
    del values["doc_to_choice"], values["metric_list"]
    kind = {"output_type": "generate_until", "metric_list": [{"metric": "exact_match"}]}
    write(tasks, yaml.safe_dump(values | kind | {"generation_kwargs": {"num_beams": 1}}))
    assert Tasks(tasks, ["local_choice"]).load(["local_choice"])["tasks"]
    write(tasks, yaml.safe_dump(values | kind | {"generation_kwargs": settings}))
    with pytest.raises(InputError, match=f"generation_kwargs of local_choice: {named}"):
        Tasks(tasks, ["local_choice"]).load(["local_choice"])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"class": "x.Y"}, "names code"),
        ({"custom_dataset": "x.y"}, "names code"),
        ({"unsafe_code": True}, "lets code run"),
        ({"dataset_path": "pandas"}, "reads pickles"),
        ({"dataset_kwargs": {"trust_remote_code": True}}, "lets code run"),
        ({"metric_list": [{"metric": "./mine"}]}, "loads a metric of the hub"),
        ({"metric_list": [{"metric": "acc", "hf_evaluate": True}]}, "lets code run"),
        ({"include": "../other.yaml"}, "includes .*, outside of the folder"),
    ],
)
def test_a_file_that_would_run_code_is_refused(
    tasks: Path, changed: dict[str, Any], named: str
) -> None:
    write(tasks, yaml.safe_dump(CHOICE_TASK | changed))
    with pytest.raises(InputError, match=rf"choice.yaml {named}.*--trust-code"):
        Tasks(tasks, ["local_choice"])


@pytest.mark.parametrize("names", [["base_yaml"], ["lib/one", "base_yaml"]], ids=len)
def test_an_included_file_of_any_name_is_refused_if_it_would_run_code(
    tasks: Path, names: list[str]
) -> None:
    (tasks / "lib").mkdir()
    for file, includes in zip(["choice.yaml", *names], [*names, ""], strict=True):
        base = {"include": f"{tasks / includes}"} if includes else {"unsafe_code": True}
        write(tasks, yaml.safe_dump(base), file)
    with pytest.raises(InputError, match=r"base_yaml lets code run.*--trust-code"):
        Tasks(tasks, ["local_choice"])


def test_a_link_includes_what_lies_beside_its_file(tasks: Path) -> None:
    (tasks / "lib").mkdir()
    write(tasks / "lib", "include: base_yaml", "choice")
    write(tasks / "lib", "doc_to_text: !function own.ask", "base_yaml")
    write(tasks, "doc_to_text: ''", "base_yaml")
    (tasks / "choice.yaml").unlink()
    (tasks / "choice.yaml").symlink_to(tasks / "lib" / "choice")
    with pytest.raises(InputError, match="lib/base_yaml calls the function own.ask"):
        Tasks(tasks, ["local_choice"])


def test_included_files_are_read_once_and_those_of_the_package_are_trusted(tasks: Path) -> None:
    package = next(
        file
        for file in sorted((PACKAGE / "tasks").rglob("*.yaml"))
        if "!function" in file.read_text(encoding="utf-8")
    )
    text = (tasks / "choice.yaml").read_text()
    write(tasks, f"include: [{package}, base_yaml]\n{text}")
    write(tasks, "include: base_yaml", "base_yaml")  # which lm-eval refuses when it loads the task
    assert "local_text" in Tasks(tasks, ["local_text"]).all_tasks


def test_a_function_runs_only_if_it_is_trusted(
    folders: dict[str, Path], tasks: Path, tmp_path: Path
) -> None:
    mark = tmp_path / MARK
    write(
        tasks, f"def ask(row):\n    open({str(mark)!r}, 'w').close()\n    return 'Who?'\n", "own.py"
    )
    text = (tasks / "choice.yaml").read_text()
    write(tasks, text.replace("doc_to_text: '{{question}}'", "doc_to_text: !function own.ask"))
    with pytest.raises(InputError, match="calls the function own.ask"):
        Tasks(tasks, ["local_choice"])
    assert not mark.exists()
    evaluate_tasks(
        folders["backbone"], ["local_choice"], tasks, trusts_code=True, accelerator="cpu"
    )
    assert mark.exists()


def test_a_template_calls_no_code(folders: dict[str, Path], tasks: Path) -> None:
    attack = "{{ cycler.__init__.__globals__.os.mkdir(question) }}"
    text = (tasks / "choice.yaml").read_text()
    write(tasks, text.replace("{{question}}", attack))
    with pytest.raises(InputError, match="access to attribute '__init__' .* is unsafe"):
        evaluate_tasks(folders["backbone"], ["local_choice"], tasks, accelerator="cpu")


def test_a_damaged_file_is_named(tasks: Path) -> None:
    write(tasks, "task: [")
    with pytest.raises(InputError, match="choice.yaml cannot be read"):
        Tasks(tasks, ["local_text"])
