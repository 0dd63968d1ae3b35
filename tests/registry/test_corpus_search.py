"""Specifies finding documents in what finished steps have read, and what has seen them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ids import document_id
from textmill.config import CleanConfig, Config, SampleConfig, SourceConfig
from textmill.errors import InputError
from textmill.files import digest_file
from textmill.registry.drawing import render_tree
from textmill.registry.lineage import trace, trace_text
from textmill.steps.graph import CLEAN
from textmill.steps.raw_sources import Source
from textmill.steps.step import Step
from textmill.tracking.pipeline import open_pipeline
from textmill.tracking.results import Result
from textmill.tracking.store import Store

pytestmark = pytest.mark.filterwarnings("ignore:The specified dataset source:UserWarning")


class Chain:
    """A corpus of twenty texts, a model of it, and a model of labelled lists of words."""

    def __init__(self, config: Config, folder: Path, seed: SampleConfig) -> None:
        self.texts = [f"Text {i} of the corpus number {seed.seed}." for i in range(20)]
        corpus, self.labelled = folder / "corpus.jsonl", folder / "labelled.jsonl"
        write_lines(corpus, [{"text": text} for text in self.texts])
        rows = [["Ada", "was", f"number-{seed.seed}"], ["nobody"], [f"柏林{seed.seed}", "很", "大"]]
        write_lines(self.labelled, [{"tokens": row} for row in rows])
        sources = (SourceConfig(name="own", path=str(corpus)),)
        cleaning = CleanConfig(sources=sources, validation_share=0.3)
        raw = Source("own", str(corpus), digest_file(corpus), "training")
        source = Source("ner/train", str(self.labelled), digest_file(self.labelled), "train")
        with open_pipeline("test", config, "tests", {}) as pipeline:

            def run(name: str, *sources: Source, **inputs: Result) -> Result:
                own = SampleConfig(seed=1000 * seed.seed + len(pipeline.results))
                return pipeline.run(Step(name, "probe_steps:write"), own, inputs, sources)

            self.clean = pipeline.run(CLEAN, cleaning, sources=(raw,))
            self.pretrain = run("pretrain", corpus=self.clean)
            self.finetune = run("finetune", source)


def write_lines(file: Path, rows: list[dict[str, object]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def chain(
    config: Config, store: Store, tmp_path: Path, seed: SampleConfig, calls: Callable[[], int]
) -> Chain:
    return Chain(config, tmp_path, seed)


def test_a_document_is_found_by_its_id_and_followed_to_the_models(
    store: Store, chain: Chain
) -> None:
    for text in (chain.texts[0], chain.texts[19]):
        found = trace(store, document_id(text))
        assert found.documents == {chain.clean.run_id: [document_id(text)]}
        assert [node.run_id for node in found.models()] == [chain.pretrain.run_id]


def test_documents_are_found_by_their_words(store: Store, chain: Chain, seed: SampleConfig) -> None:
    found = trace_text(store, f"of the corpus number {seed.seed}.")
    (documents,) = found.documents.values()
    assert set(documents) == set(map(document_id, chain.texts))
    assert "and 15 more such documents" in render_tree(found)


@pytest.mark.parametrize(("words", "line"), [("was number-{}", 1), ("柏林{}很大", 3)])
def test_labelled_examples_are_found_by_their_words(
    store: Store, chain: Chain, seed: SampleConfig, words: str, line: int
) -> None:
    found = trace_text(store, words.format(seed.seed))
    assert found.documents == {chain.finetune.run_id: [f"{chain.labelled}:{line}"]}
    assert [node.run_id for node in found.models()] == [chain.finetune.run_id]


def test_the_text_of_a_test_has_not_been_read_by_a_corpus_that_was_cleared_of_it(
    config: Config, store: Store, tmp_path: Path, seed: SampleConfig, calls: Callable[[], int]
) -> None:
    files = {context: tmp_path / f"{context}.jsonl" for context in ("train", "test")}
    for context, file in files.items():
        write_lines(file, [{"text": f"A {context} text of number {seed.seed}."}])
    sources = tuple(
        Source(f"mood/{context}", str(file), digest_file(file), context)
        for context, file in files.items()
    )
    with open_pipeline("test", config, "tests", {}) as pipeline:
        texts = pipeline.run(Step("task-texts", "probe_steps:write"), seed, sources=sources)
    found = trace_text(store, f"text of number {seed.seed}.")
    assert found.documents == {texts.run_id: [f"{files['train']}:1"]}


class Encoded(SampleConfig):
    """Settings of a step that names the encoding of its files."""

    encoding: str = "koi8-r"


def test_files_are_searched_in_the_encoding_that_they_were_read_in(
    config: Config, store: Store, tmp_path: Path, seed: SampleConfig, calls: Callable[[], int]
) -> None:
    file = tmp_path / "short.csv"
    file.write_bytes(f"text,label\nПривет {seed.seed},a\n".encode("koi8-r"))  # too short to tell
    source = Source("mood/train", str(file), digest_file(file), "train")
    with open_pipeline("test", config, "tests", {}) as pipeline:
        made = pipeline.run(
            Step("finetune", "probe_steps:write"), Encoded(seed=seed.seed), sources=(source,)
        )
    found = trace_text(store, f"Привет {seed.seed}")
    assert found.documents == {made.run_id: [f"{file}:2"]}


def test_what_could_not_be_searched_is_named(
    store: Store, chain: Chain, seed: SampleConfig
) -> None:
    chain.labelled.write_text("{}\n")
    found = trace_text(store, f"Text 7 of the corpus number {seed.seed}.")
    assert f"{chain.labelled} has changed since it was read." in found.unsearched
    chain.labelled.unlink()
    with pytest.raises(InputError, match=f"Not searched: {chain.labelled} is missing"):
        trace_text(store, f"number-{seed.seed}")


def test_of_a_file_that_has_grown_what_was_read_is_searched(
    store: Store, chain: Chain, seed: SampleConfig
) -> None:
    with chain.labelled.open("a") as file:
        file.write(json.dumps({"tokens": ["later", f"number-{seed.seed}"]}) + "\n")
    found = trace_text(store, f"number-{seed.seed}")
    assert found.documents == {chain.finetune.run_id: [f"{chain.labelled}:1"]}
    assert str(chain.labelled) not in "".join(found.unsearched)
    with pytest.raises(InputError):
        trace_text(store, f"later number-{seed.seed}")


def test_words_of_nothing_are_refused(store: Store) -> None:
    with pytest.raises(InputError, match="give text"):
        trace_text(store, " ")
    with pytest.raises(InputError, match="No finished step .* has read a document ffff"):
        trace(store, "f" * 32)
