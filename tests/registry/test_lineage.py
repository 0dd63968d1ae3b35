"""Specifies lineage: from results back to files, and from files on to models."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow.entities import LoggedModelStatus

from textmill.config import Config, SampleConfig
from textmill.errors import InputError
from textmill.files import digest_file, join_digests
from textmill.registry.drawing import render_tree, to_dict
from textmill.registry.lineage import Lineage, Node, trace
from textmill.steps.raw_sources import Source
from textmill.steps.step import Step
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")


def source_of(name: str, files: list[Path]) -> Source:
    digests = {file: digest_file(file) for file in files}
    listed = {str(file): digest for file, digest in digests.items()}
    return Source(name, str(files[0].parent), join_digests(digests), "training", listed)


class Chain:
    """A corpus of two files, a backbone, a task model and its scores, all by one probe."""

    def __init__(self, config: Config, store: Store, folder: Path, seed: SampleConfig) -> None:
        self.files = [folder / "corpus" / name for name in ("one.txt", "two.txt")]
        self.train = folder / "train.csv"
        self.files[0].parent.mkdir()
        for file in (*self.files, self.train):
            file.write_text(f"{file.name} {seed.seed}")
        train = Source("mood/train", str(self.train), digest_file(self.train), "train")
        with open_pipeline("test", config, "tests", {"prefect.flow_run_id": "p-1"}) as pipeline:
            self.run_id = pipeline.run_id

            def run(name: str, source: Source | None, **inputs: Result) -> Result:
                # Each step's own seed, so that no two outputs are equal.
                own = SampleConfig(seed=1000 * seed.seed + len(pipeline.results))
                sources = (source,) if source else ()
                return pipeline.run(Step(name, "probe_steps:write"), own, inputs, sources)

            self.clean = run("clean", source_of("own", self.files))
            self.pretrain = run("pretrain", None, corpus=self.clean)
            self.finetune = run("finetune", train, backbone=self.pretrain)
            self.evaluate = run("evaluate", None, model=self.finetune)
            self.other = run("baseline", None)
        for result, name in ((self.clean, "documents_read"), (self.clean, "documents_kept")):
            store.log_metrics(result.run_id, {name: 7, "rejected_too_short": 2})

    def all(self) -> list[Result]:
        return [self.clean, self.pretrain, self.finetune, self.evaluate]


@pytest.fixture
def chain(
    config: Config, store: Store, tmp_path: Path, seed: SampleConfig, calls: Callable[[], int]
) -> Chain:
    return Chain(config, store, tmp_path, seed)


def ids(*results: Result) -> set[str]:
    return {result.run_id for result in results}


def models(lineage: Lineage) -> set[str]:
    return {node.run_id for node in lineage.models()}


def test_a_step_is_traced_back_to_files_and_their_digests(store: Store, chain: Chain) -> None:
    found = trace(store, chain.evaluate.run_id)
    assert found.roots == (chain.evaluate.run_id,)
    assert found.nodes.keys() == ids(*chain.all())
    (own,) = found.nodes[chain.clean.run_id].sources
    assert (own.name, own.place) == ("own", str(chain.files[0].parent))
    (train,) = found.nodes[chain.finetune.run_id].sources
    assert train.digest == digest_file(chain.train)
    assert found.nodes[chain.evaluate.run_id].inputs == {"model": chain.finetune.run_id}


def test_a_node_says_what_it_was_made_by(store: Store, chain: Chain) -> None:
    store.set_tags(chain.clean.run_id, {"mlflow.source.git.commit": "abc"})
    node = trace(store, chain.clean.run_id).nodes[chain.clean.run_id]
    assert (node.key, node.digest) == (chain.clean.key, chain.clean.digest)
    assert (node.commit, node.prefect_flow_run) == ("abc", "p-1")
    assert node.machine
    assert node.packages["python"].startswith("3.")
    assert node.settings["n_documents"] == "9000"
    assert node.filtered == {"documents_read": 7, "documents_kept": 7, "rejected_too_short": 2}


def test_a_pipeline_is_traced_back_from_all_that_nothing_else_in_it_reads(
    store: Store, chain: Chain
) -> None:
    found = trace(store, chain.run_id[:20])
    assert set(found.roots) == ids(chain.evaluate, chain.other)
    assert found.nodes.keys() == ids(*chain.all(), chain.other)


@pytest.mark.parametrize("words", ["m-", "models:/{name}/1", "models:/{name}@champion"])
def test_a_model_is_traced_back_from_the_run_it_was_logged_from(
    store: Store, chain: Chain, words: str
) -> None:
    name = f"mood-{time.time_ns()}"
    run = store.client.get_run(chain.finetune.run_id)
    model = store.client.create_logged_model(
        run.info.experiment_id, "mood", source_run_id=chain.finetune.run_id
    )
    store.client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    store.client.create_registered_model(name)
    store.client.create_model_version(name, "source", chain.finetune.run_id)
    store.client.set_registered_model_alias(name, "champion", "1")
    asked = model.model_id if words == "m-" else words.format(name=name)
    assert trace(store, asked).roots == (chain.finetune.run_id,)


@pytest.mark.parametrize("number", [0, 1])
def test_a_file_of_the_corpus_is_followed_to_every_step_and_model(
    store: Store, chain: Chain, number: int
) -> None:
    file = chain.files[number]
    for words in (str(file), digest_file(file)):
        found = trace(store, words)
        assert found.roots == (chain.clean.run_id,)
        assert found.nodes.keys() == ids(*chain.all())
        assert models(found) == ids(chain.pretrain, chain.finetune)


def test_a_file_of_a_task_is_followed_to_the_model_of_the_task_alone(
    store: Store, chain: Chain
) -> None:
    for words in (str(chain.train), digest_file(chain.train)):
        found = trace(store, words)
        assert found.nodes.keys() == ids(chain.finetune, chain.evaluate)
        assert models(found) == ids(chain.finetune)


def test_a_corpus_that_was_cleared_of_a_test_set_has_not_seen_it(
    config: Config, store: Store, chain: Chain, tmp_path: Path
) -> None:
    held_out = tmp_path / "test.csv"
    held_out.write_text(f"held out of {chain.run_id}")
    test = Source("mood/test", str(held_out), digest_file(held_out), "test")
    with open_pipeline("test", config, "tests", {}) as pipeline:
        own = SampleConfig(seed=int(store.client.get_run(chain.clean.run_id).data.params["seed"]))
        sources = (source_of("own", chain.files), test)
        cleared = pipeline.run(Step("clean", "probe_steps:write"), own, sources=sources)
        tested = pipeline.run(Step("evaluate", "probe_steps:slow"), own, sources=(test,))
    assert cleared.run_id in trace(store, str(chain.files[0])).roots
    for words in (str(held_out), digest_file(held_out)):
        assert trace(store, words).nodes.keys() == ids(tested)


def test_a_task_whose_texts_are_in_the_corpus_is_followed_to_every_model(
    config: Config, store: Store, chain: Chain, tmp_path: Path
) -> None:
    held_out, relabelled = tmp_path / "test.csv", tmp_path / "relabelled.csv"
    for file in (held_out, relabelled):
        file.write_text(f"{file.name} of {chain.run_id}")
    train, test, again = (
        Source(name, str(file), digest_file(file), context)
        for name, file, context in (
            ("mood/train", chain.train, "train"),
            ("mood/test", held_out, "test"),
            ("mood/train", relabelled, "train"),
        )
    )
    seed = int(store.client.get_run(chain.clean.run_id).data.params["seed"])
    with open_pipeline("test", config, "tests", {}) as pipeline:

        def run(name: str, *sources: Source, **inputs: Result) -> Result:
            own = SampleConfig(seed=seed + 500 + ["task-texts", "clean", "pretrain"].index(name))
            return pipeline.run(Step(name, "probe_steps:write"), own, inputs, sources)

        texts = run("task-texts", train, test)
        backbone = run("pretrain", corpus=run("clean", task_texts=texts))
        equal = run("task-texts", again, test)
    assert equal.digest == texts.digest
    for words in (str(chain.train), digest_file(chain.train)):
        found = trace(store, words)
        assert texts.run_id in found.roots
        assert models(found) == ids(chain.finetune, backbone)
    assert models(trace(store, str(relabelled))) == ids(backbone)
    with pytest.raises(InputError, match="No finished step"):
        trace(store, str(held_out))
    (back,) = (n for n in trace(store, backbone.run_id).nodes.values() if n.step == "task-texts")
    assert {source.place for source in back.sources} == {str(chain.train), str(held_out)}


def test_a_file_that_was_deleted_or_changed_since_is_followed_by_its_path(
    store: Store, chain: Chain
) -> None:
    chain.files[0].unlink()
    chain.train.write_text("other")
    assert trace(store, str(chain.files[0])).roots == (chain.clean.run_id,)
    assert trace(store, str(chain.train)).roots == (chain.finetune.run_id,)


def test_a_file_that_was_moved_is_followed_by_its_content(
    store: Store, chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.move(chain.files[0], tmp_path / "moved.txt")
    monkeypatch.chdir(tmp_path)
    assert trace(store, "moved.txt").roots == (chain.clean.run_id,)


def test_a_result_computed_twice_is_followed_to_what_either_led_to(
    config: Config, store: Store, chain: Chain
) -> None:
    with open_pipeline("test", config, "tests", {}, scope=f"twice-{chain.run_id}") as pipeline:
        again = pipeline.run(
            Step("clean", "probe_steps:write"),
            SampleConfig(seed=int(store.client.get_run(chain.clean.run_id).data.params["seed"])),
            sources=(source_of("own", chain.files),),
        )
        tuned = pipeline.run(Step("finetune", "probe_steps:slow"), SampleConfig(), {"c": again})
    found = trace(store, str(chain.files[0]))
    assert set(found.roots) == ids(chain.clean, again)
    assert models(found) == ids(chain.pretrain, chain.finetune, tuned)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("f" * 64, "No finished step .* has read"),
        ("/nowhere/file.txt", "No finished step .* has read"),
        ("no-such-run", "There is no run"),
        ("m-" + "0" * 32, "There is no model"),
        ("models:/nobody/1", "There is no model"),
        ("models:/nobody@champion", "There is no model"),
        ("models:/nobody", "is not a model"),
    ],
)
def test_what_is_not_there_is_refused(store: Store, words: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trace(store, words)


def test_the_text_shows_every_step_once_and_ends_with_what_to_know(
    store: Store, chain: Chain
) -> None:
    back = render_tree(trace(store, chain.run_id))
    assert all(back.count(f"run {result.run_id}") == 1 for result in chain.all())
    assert f"   └─ backbone: pretrain  run {chain.pretrain.run_id}" in back
    assert "filtered: kept 7 of 7 documents; rejected too short 2" in back
    assert "Prefect run p-1" in back.splitlines()[-2]
    forward = render_tree(trace(store, str(chain.files[0])))
    assert "To remove its influence, retrain these 2 models:" in forward


def test_a_step_read_by_two_others_stands_in_the_tree_once() -> None:
    def node(name: str, *inputs: str) -> Node:
        steps = {other: other for other in inputs}
        return Node(name, name, name, "k", "d", steps, (), {}, {}, (), "c", "m", "p")

    nodes = {n.run_id: n for n in (node("a"), node("b", "a"), node("c", "a", "b"))}
    lines = render_tree(Lineage("c", False, ("c",), nodes)).splitlines()[:4]
    assert [line[:6] for line in lines] == ["c  run", "├─ a  ", "└─ b  ", "   └─ "]
    assert lines[3] == "   └─ a (above)"


def test_the_values_are_json(store: Store, chain: Chain) -> None:
    values = json.loads(json.dumps(to_dict(trace(store, str(chain.train)))))
    assert values["models_made"] == [chain.finetune.run_id]
    assert values["nodes"][chain.finetune.run_id]["label"] == "finetune"
