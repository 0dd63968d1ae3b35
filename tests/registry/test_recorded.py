"""Specifies what a recorded run says of itself, and what it needs to be made again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from textmill.config import (
    CleanConfig,
    Config,
    NotifyConfig,
    SampleConfig,
    Sizes,
    TokenizerConfig,
    open_sizes,
)
from textmill.config.masked import Command
from textmill.corpus.reading.sources import digest_source
from textmill.errors import InputError, RunError
from textmill.files import digest_file
from textmill.registry import recorded as module
from textmill.registry.recorded import (
    Recorded,
    load_recorded,
    machine_differences,
    problems,
    with_available_devices,
    with_moved_data,
)
from textmill.steps.chosen import with_sizes
from textmill.steps.graph import BUDGET, CLEAN, TOKENIZER
from textmill.steps.raw_sources import Source
from textmill.steps.step import Code, Step
from textmill.tracking.artifacts import log_config, output_folder
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import recorded_results
from textmill.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")

COMMIT = "4" * 40
CHOSEN = {"max_steps": 70, "warmup_steps": 7}


def write_documents(file: Path) -> None:
    texts = [f"The cat number {i} sat on mat {i * i} and looked at dog {i + 3}." for i in range(80)]
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_documents(folder / "own.jsonl")
    return folder


@pytest.fixture(scope="module")
def run_id(config: Config, data: Path) -> str:
    """The parent run of a corpus and a tokenizer."""
    return make(config, data / "own.jsonl")


def make(config: Config, file: Path) -> str:
    corpus = {"sources": [{"name": "own", "path": str(file)}], "validation_share": 0.2}
    own = {"corpus": corpus, "tokenizer": {"vocab_size": 300}, "experiment": "recorded"}
    values = config.model_dump() | own
    settings = Config.model_validate(values)
    (own,) = settings.corpus.sources
    source = Source("own", str(file), digest_source(own), "pretraining")
    with open_pipeline("prepare", settings, "my.yaml", {}) as pipeline:
        corpus_result = pipeline.run(
            CLEAN, CleanConfig(**dict(settings.corpus)), sources=(source,), threads=3
        )
        pipeline.run(TOKENIZER, TokenizerConfig(vocab_size=300), {"corpus": corpus_result})
    pipeline.store.set_tags(pipeline.run_id, {"mlflow.source.git.commit": COMMIT})
    return pipeline.run_id


@pytest.fixture
def recorded(store: Store, run_id: str) -> Recorded:
    return load_recorded(store, run_id)


def moved(recorded: Recorded, old: Path, new: Path) -> Recorded:
    return replace(recorded, config=with_moved_data(recorded.config, str(old), str(new)))


def test_a_recorded_run_has_its_configuration_and_the_records_of_its_steps(
    recorded: Recorded, data: Path
) -> None:
    assert recorded.config.corpus.sources[0].path == str(data / "own.jsonl")
    assert recorded.config.corpus.validation_share == 0.2
    assert list(recorded.steps) == ["clean", "tokenizer"]
    assert recorded.steps["clean"].metrics["documents_kept"] == 80
    assert recorded.steps["clean"].threads == 3
    assert "tokenizer.json" in recorded.steps["tokenizer"].manifest["files"]


def test_nothing_differs_where_nothing_was_changed(recorded: Recorded) -> None:
    assert problems(recorded) == []
    assert machine_differences(recorded) == {}


def test_a_run_that_did_not_finish_is_refused(config: Config, store: Store) -> None:
    with pytest.raises(ZeroDivisionError), open_pipeline("test", config, "tests", {}) as pipeline:
        raise ZeroDivisionError
    with pytest.raises(InputError, match="did not finish: its status is FAILED"):
        load_recorded(store, pipeline.run_id)


def test_a_run_that_measured_drift_is_refused(config: Config, store: Store) -> None:
    with open_pipeline("drift", config, "tests", {}) as pipeline:
        pass
    with pytest.raises(InputError, match="measured the drift of new text"):
        load_recorded(store, pipeline.run_id)


def test_records_that_are_gone_are_named(store: Store, config: Config, tmp_path: Path) -> None:
    write_documents(tmp_path / "gone.jsonl")  # of another name than `own`, so it is computed
    run_id = make(config, tmp_path / "gone.jsonl")
    clean = recorded_results(store.client.get_run(run_id))["clean"]
    (output_folder(store, clean) / "manifest.json").unlink()
    with pytest.raises(
        RunError, match=f"The artifact output/manifest.json of the run {clean} is lost"
    ):
        load_recorded(store, run_id)


def test_a_configuration_of_another_version_is_refused_with_the_commit_that_fits(
    store: Store, config: Config
) -> None:
    with open_pipeline("test", config, "tests", {}) as pipeline:
        pass
    store.set_tags(pipeline.run_id, {"mlflow.source.git.commit": f"{COMMIT}+changes"})
    values = config.model_dump(mode="json") | {"colour": "red"}
    log_config(store, pipeline.run_id, values)
    message = f"(?s)colour is not a setting.*git checkout {COMMIT}, and its uncommitted changes"
    with pytest.raises(InputError, match=message):
        load_recorded(store, pipeline.run_id)


def test_missing_data_are_named(recorded: Recorded, data: Path, tmp_path: Path) -> None:
    (line,) = problems(moved(recorded, data, tmp_path))
    assert f"own ({tmp_path}/own.jsonl) is missing" in line
    assert "--moved OLD=NEW" in line


def test_a_folder_that_was_begun_from_is_named_if_it_has_changed(
    recorded: Recorded, tmp_path: Path
) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_text("{}")
    step = recorded.steps["tokenizer"]
    begun = {"place": str(tmp_path), "digest": "0", "files": {str(file): digest_file(file)}}
    manifest = step.manifest | {"sources": {"init_from": begun}}
    changed = replace(recorded, steps={"tokenizer": replace(step, manifest=manifest)})
    assert problems(changed) == []
    file.write_text("{ }")
    (line,) = problems(changed)
    assert f"the initial file {file} is missing or has changed" in line


def test_behaviour_tests_are_named_if_they_have_changed(recorded: Recorded, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("tests: []")
    task = {"kind": "classification", "name": "mood", "train": "a", "test": "b", "hub": "own/er"}
    values = recorded.config.model_dump() | {"tasks": [task | {"behaviour": str(file)}]}
    step = recorded.steps["tokenizer"]
    source = {"place": str(file), "digest": digest_file(file), "files": {}}
    manifest = step.manifest | {"sources": {"mood/behaviour": source}}
    changed = replace(
        recorded,
        config=Config.model_validate(values),
        steps={"tokenizer": replace(step, manifest=manifest)},
    )
    assert problems(changed) == []
    file.write_text("tests: [1]")
    (line,) = problems(changed)
    assert f"mood/behaviour ({file}) has changed" in line
    file.unlink()
    (line,) = problems(changed)
    assert f"mood/behaviour ({file}) is missing" in line


def test_changed_data_are_named_with_both_digests(
    recorded: Recorded, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.jsonl").write_bytes((data / "own.jsonl").read_bytes() + b"\n")
    elsewhere = moved(recorded, data, tmp_path)
    (line,) = problems(elsewhere)
    assert "has changed" in line
    assert recorded.steps["clean"].manifest["sources"]["own"]["digest"][:12] in line
    assert digest_source(elsewhere.config.corpus.sources[0])[:12] in line


def test_data_that_were_moved_unchanged_are_found(
    recorded: Recorded, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.jsonl").write_bytes((data / "own.jsonl").read_bytes())
    assert problems(moved(recorded, data, tmp_path)) == []


def test_a_folder_that_no_data_lay_in_is_refused(recorded: Recorded, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no data in"):
        with_moved_data(recorded.config, str(tmp_path), "/elsewhere")


def test_everything_that_differs_is_named_at_once(
    recorded: Recorded, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(step: Step, kind: str | None) -> Code:
        manifest = recorded.steps[step.name].manifest
        code = manifest["code"] | {"textmill.corpus": "other"}
        packages = manifest["packages"] | {"python": "2.7", "tokenizers": "0.0.1"}
        packages.pop("numpy", None)
        return Code(code, packages)

    monkeypatch.setattr(module, "code_of", other)
    data_line, code, python, packages = problems(moved(recorded, data, tmp_path))
    assert data_line.startswith("data: own")
    assert f"textmill.corpus (clean, tokenizer). git checkout {COMMIT}" in code
    assert "was 3." in python
    version = recorded.steps["tokenizer"].manifest["packages"]["tokenizers"]
    assert f"tokenizers is 0.0.1, was {version}" in packages
    assert f"tokenizers=={version}" in packages.partition("pip install ")[2]


def test_training_on_a_gpu_that_is_not_here_is_named_and_can_be_given_up(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretrain = recorded.config.pretrain.model_copy(update={"accelerator": "cuda"})
    config = recorded.config.model_copy(update={"pretrain": pretrain})
    monkeypatch.setattr(module.hardware, "best_accelerator", lambda: "cpu")
    (line,) = problems(replace(recorded, config=config))
    assert "CUDA" in line
    assert with_available_devices(config).pretrain.accelerator == "cpu"
    monkeypatch.setattr(module.hardware, "best_accelerator", lambda: "cuda")
    assert problems(replace(recorded, config=config)) == []
    assert with_available_devices(config) == config


def test_another_type_of_machine_is_named(
    recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = module.hardware.describe()
    monkeypatch.setattr(module.hardware, "describe", lambda: here | {"processor": "abacus"})
    assert machine_differences(recorded) == {"processor": (here["processor"], "abacus")}


def test_hub_data_are_read_again_at_the_commit_that_was_read(
    store: Store,
    config: Config,
    probe: Callable[[str], Step],
    seed: SampleConfig,
    calls: Callable[[], int],
) -> None:
    corpus = {"sources": [{"name": "wiki", "hub": "an/id"}, {"name": "own", "path": "a.txt"}]}
    settings = Config.model_validate(config.model_dump() | {"corpus": corpus})
    source = Source("wiki", "an/id", f"an/id/@{COMMIT}", "pretraining")
    with open_pipeline("test", settings, "tests", {}) as pipeline:
        pipeline.run(probe("write"), seed, sources=(source,))
    wiki, own = load_recorded(store, pipeline.run_id).config.corpus.sources
    assert (wiki.revision, own.revision) == (COMMIT, None)


def test_secrets_that_a_recorded_run_names_are_looked_up_again(
    store: Store, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "then")
    command = Command("tell then", "tell ${oc.env:HOOK}")
    told = config.model_copy(update={"notify": (NotifyConfig(event="failed", command=command),)})
    with open_pipeline("test", told, "tests", {}) as pipeline:
        pass
    monkeypatch.setenv("HOOK", "now")
    (entry,) = load_recorded(store, pipeline.run_id).config.notify
    assert entry.command is not None
    assert entry.command.get_secret_value() == "tell now"
    monkeypatch.delenv("HOOK")
    with pytest.raises(
        InputError, match=r"HOOK is not set\. Set it, or add notify=… to the command"
    ):
        load_recorded(store, pipeline.run_id)
    assert load_recorded(store, pipeline.run_id, {"notify": ()}).config.notify == ()


def test_the_sizes_chosen_for_a_budget_are_taken_as_they_were_chosen(
    config: Config, data: Path, store: Store, seed: SampleConfig
) -> None:
    """A measurement is never repeated exactly, so that the steps after it would differ."""
    corpus = {"sources": [{"name": "own", "path": str(data / "own.jsonl")}]}
    open_steps = {"max_steps": None, "warmup_steps": None}
    own = {"corpus": corpus, "pretrain": open_steps, "budget_minutes": 5, "experiment": "budget"}
    settings = Config.model_validate(config.model_dump() | own)
    with open_pipeline("prepare", settings, "my.yaml", {}) as pipeline:
        pipeline.run(replace(BUDGET, function="probe_steps:choose_sizes"), seed)
        pipeline.log_sizes(["pretrain.max_steps"], with_sizes(settings, Sizes(pretrain=CHOSEN)))
    found = load_recorded(store, pipeline.run_id)
    assert open_sizes(found.config) == []
    assert (found.config.pretrain.max_steps, found.config.pretrain.warmup_steps) == (70, 7)
    assert found.steps == {}
    params = store.client.get_run(pipeline.run_id).data.params
    assert params["pretrain.max_steps"] == "70"
    assert params["pretrain.micro_batch_size"] == str(settings.pretrain.micro_batch_size)
