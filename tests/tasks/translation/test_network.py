"""Specifies translation: one sequence of source and target, of which the target is learned."""

from __future__ import annotations

import gzip
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from tests.tasks.conftest import QUICK, predictor_of, tune, write_rows
from textmill import model as models
from textmill.corpus.tokens.tokenizer import END_ID, PAD_ID, SOURCE_ID, TARGET_ID, load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json, write_json
from textmill.tasks.baseline import baseline
from textmill.tasks.ensemble.model_folder import read_task
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.rows import digest_split
from textmill.tasks.translation.examples import Example, Spec, read_examples
from textmill.tasks.translation.metrics import corpus_scores, signatures
from textmill.tasks.translation.network import (
    Encoded,
    Translator,
    build,
    collate,
    encode,
    loss,
    validate,
)
from textmill.tasks.translation.pointer import log_probabilities
from textmill.tasks.translation.settings import TranslationConfig

SPEC = Spec(0.5)
COPYING = Spec(0.5, beams=3, splits_numbers=True, has_pointer=True, reads_both_ways=True)
BLOCK_SIZE = 48
DICTIONARY = {"red": "rot", "room": "Zimmer", "meal": "Essen", "was": "war", "and": "und"}
GOOD = {"source": "the room", "target": "das Zimmer"}


def make_config(folder: Path, **further: Any) -> TranslationConfig:
    values = {
        "kind": "translation",
        "name": "de",
        "train": str(folder / "train.jsonl"),
        "test": str(folder / "test.jsonl"),
        "target_language": "de",
        "finetune": QUICK | {"epochs": 30, "micro_batch_size": 8},
    }
    return TranslationConfig.model_validate(values | further)


def toy_rows(n: int, seed: int) -> list[dict[str, str]]:
    """Two words, and theirs in the dictionary."""
    rng = random.Random(seed)
    drawn = [rng.choices(list(DICTIONARY), k=2) for _ in range(n)]
    return [
        {"source": " ".join(words), "target": " ".join(DICTIONARY[word] for word in words)}
        for words in drawn
    ]


def make_network(backbone: Path, spec: Spec) -> Translator:
    torch.manual_seed(1)
    network = build(models.load(backbone), spec, 0.0, True).eval()
    with torch.no_grad():
        for parameter in network.parameters():  # clear preferences
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return network


@pytest.fixture
def network(backbone: Path) -> Translator:
    return make_network(backbone, SPEC)


@pytest.fixture(scope="module")
def tuned(
    backbone: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TranslationConfig, Path]:
    folder, out = tmp_path_factory.mktemp("toy"), tmp_path_factory.mktemp("model")
    write_rows(folder / "train.jsonl", toy_rows(150, seed=1))
    write_rows(folder / "test.jsonl", toy_rows(40, seed=2))
    config = make_config(folder)
    tune(config, backbone, out, tmp_path_factory.mktemp("work"))
    return config, out


def test_source_and_target_are_one_sequence_between_their_marks(backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    (one,) = encode(tokenizer, SPEC, [Example(" the room\n", "das Zimmer ", "")], BLOCK_SIZE)
    source, target = (tokenizer.encode(t).ids for t in ("the room", "das Zimmer"))
    assert one.ids == [SOURCE_ID, *source, TARGET_ID, *target, END_ID]
    assert one.n_source == len(source) + 2
    assert not one.is_cut


@pytest.mark.parametrize(("more", "is_cut"), [(0, False), (1, True), (100, True)])
def test_a_source_beyond_its_share_is_cut_and_flagged(
    backbone: Path, more: int, is_cut: bool
) -> None:
    tokenizer = load_tokenizer(backbone)
    n_tokens = BLOCK_SIZE // 2 - 2 + more
    (one,) = encode(tokenizer, SPEC, [Example("7" * n_tokens, "x", "")], BLOCK_SIZE)
    assert (one.n_source, one.is_cut) == (
        BLOCK_SIZE // 2 - (0 if is_cut or not more else more),
        is_cut,
    )
    assert one.ids[one.n_source - 1] == TARGET_ID
    assert one.ids[-1] == END_ID


@pytest.mark.parametrize(("more", "is_cut"), [(0, False), (1, True), (100, True)])
def test_a_target_beyond_the_context_is_cut_without_an_end(
    backbone: Path, more: int, is_cut: bool
) -> None:
    tokenizer = load_tokenizer(backbone)
    # Source, its two marks, the target, and an end that is predicted and never read.
    n_tokens = BLOCK_SIZE - 3 + more
    (one,) = encode(tokenizer, SPEC, [Example("7", "7" * n_tokens, "")], BLOCK_SIZE)
    assert one.is_cut is is_cut
    assert (one.ids[-1] == END_ID) is not is_cut
    assert collate([one])["input_ids"].shape == (1, BLOCK_SIZE)


def test_collate_marks_the_positions_that_predict_the_target() -> None:
    short = Encoded([SOURCE_ID, 9, TARGET_ID, 8, END_ID], 3, False, [])
    long = Encoded([SOURCE_ID, 9, 9, 9, TARGET_ID, 7, 6, END_ID], 5, False, [])
    batch = collate([short, long])
    assert batch["input_ids"].tolist() == [
        [SOURCE_ID, 9, TARGET_ID, 8, PAD_ID, PAD_ID, PAD_ID],
        [SOURCE_ID, 9, 9, 9, TARGET_ID, 7, 6],
    ]
    predicted = [
        row[mask].tolist() for row, mask in zip(batch["targets"], batch["loss_mask"], strict=True)
    ]
    assert predicted == [[8, END_ID], [7, 6, END_ID]]
    assert (batch["documents"] >= 0).sum(dim=1).tolist() == [4, 7]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
@pytest.mark.parametrize("spec", [SPEC, COPYING], ids=["plain", "copying"])
def test_the_loss_is_the_cross_entropy_of_the_targets_alone(
    backbone: Path, spec: Spec, label_smoothing: float
) -> None:
    network = make_network(backbone, spec)
    examples = [Example("the room 71", "rot 7", ""), Example("meal", "das Essen war", "")]
    encoded = encode(load_tokenizer(backbone), spec, examples, BLOCK_SIZE)
    nll, uniform = [], []
    for one in encoded:  # each alone, so without padding
        ids, n = torch.tensor([one.ids]), one.n_source
        targets = ids[0, n:]
        with torch.no_grad():
            prefix = torch.tensor([n]) if spec.reads_both_ways else None
            hidden = network.backbone.hidden(ids, prefix=prefix)
            logits = network.backbone.lm_head(hidden)[0, n - 1 : -1]
            likely = logits.log_softmax(dim=-1)
            uniform += (-likely).mean(dim=-1).tolist()
            if network.pointer is not None:
                source = ids[:, : n - 1]  # without TARGET
                keys = network.pointer.keys(hidden[:, : n - 1], source >= 0)
                weights, gate = network.pointer.attend(hidden[:, n - 1 : -1], keys, source >= 0)
                source = source.expand(len(targets), -1)
                likely = log_probabilities(logits, weights[0], gate[0], source)
        nll += (-likely.gather(1, targets[:, None])[:, 0]).tolist()
    expected = (1 - label_smoothing) * sum(nll) + label_smoothing * sum(uniform)
    with torch.no_grad():
        found = loss(network, collate([replace(e, copied=[]) for e in encoded]), label_smoothing)
    assert float(found) == pytest.approx(expected / len(nll), rel=1e-5)


def test_copied_words_are_exchanged_in_training_only(network: Translator, backbone: Path) -> None:
    rows = [Example(f"{n} at Ba", f"Ba um {n}", "") for n in range(1000, 1099)]
    encoded = encode(load_tokenizer(backbone), replace(SPEC, splits_numbers=True), rows, BLOCK_SIZE)
    batch = collate(encoded)
    with torch.no_grad():
        expected = loss(network, batch, 0.0)
        assert loss(network, batch, 0.0) == expected
        assert loss(network.train(), batch, 0.0) != expected  # without dropout
    nothing = collate([replace(one, copied=[]) for one in encoded])
    with torch.no_grad():
        torch.testing.assert_close(loss(network, nothing, 0.0), expected)


def test_validation_counts_right_tokens_whatever_the_batches(
    network: Translator, backbone: Path
) -> None:
    rows = [Example(r["source"], r["target"], "") for r in toy_rows(7, seed=3)]
    encoded = encode(load_tokenizer(backbone), SPEC, rows, BLOCK_SIZE)
    with torch.no_grad():
        whole = validate(network, [collate(encoded)])
        parts = validate(network, [collate(encoded[:3]), collate(encoded[3:])])
        right = [
            network.backbone(torch.tensor([e.ids]))[0, e.n_source - 1 : -1].argmax(dim=-1)
            == torch.tensor(e.ids[e.n_source :])
            for e in encoded
        ]
    assert parts == pytest.approx(whole, rel=1e-5)
    assert whole["token_accuracy"] == pytest.approx(float(torch.cat(right).float().mean()))


@pytest.mark.parametrize("spec", [SPEC, COPYING], ids=["greedy", "copying"])
def test_texts_are_translated_as_if_each_were_alone(backbone: Path, spec: Spec) -> None:
    tokenizer, network = load_tokenizer(backbone), make_network(backbone, spec)
    texts = ["the room", "x", "meal " * 30, "\N{GREEK SMALL LETTER OMEGA}", "a lovely meal and"]
    network = network.double()  # so that no rounding decides between two tokens
    predict = predictor_of("translation", network, tokenizer, spec)
    together = predict(texts)
    assert together == [predict([text])[0] for text in texts]
    assert together[2]["is_cut"]


def test_a_translation_that_does_not_end_is_flagged(network: Translator, backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    with torch.no_grad():
        network.backbone.wte.weight[END_ID] = 0.0  # tied: its logit is nought, others are larger
    (answer,) = predictor_of("translation", network, tokenizer, SPEC)(["the room"])
    assert answer["is_cut"]


@pytest.mark.parametrize("text", ["", " ", "\n"])
def test_an_empty_text_has_an_empty_translation(
    network: Translator, backbone: Path, text: str
) -> None:
    answers = predictor_of("translation", network, load_tokenizer(backbone), SPEC)([text, "room"])
    assert answers[0] == {"translation": "", "is_cut": False}


def test_a_very_long_text_is_cut_and_answered(network: Translator, backbone: Path) -> None:
    predict = predictor_of("translation", network, load_tokenizer(backbone), SPEC)
    (answer,) = predict(["word " * 50_000])
    assert answer["is_cut"]


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"source": " ", "target": "x"}, "column 'source' holds no text"),
        ({"source": "x", "target": ""}, "column 'target' holds no text"),
        ({"source": 3, "target": "x"}, "column 'source' holds no text"),
        ({"source": "x", "target": None}, "column 'target' holds no text"),
        ({"source": "x"}, "has no 'target'"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: dict[str, Any], named: str) -> None:
    write_rows(tmp_path / "train.jsonl", [GOOD, row])
    with pytest.raises(InputError, match=rf"train.jsonl:2: .*{named}.*tasks.de.max_bad_share"):
        read_examples(make_config(tmp_path), "train")


def test_a_missing_column_is_named_with_its_setting(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [{"source": "x", "german": "y"}])
    with pytest.raises(InputError, match=r"no column 'target', which tasks.de.target names"):
        read_examples(make_config(tmp_path), "train")


def aligned(folder: Path, source: bytes, target: bytes) -> TranslationConfig:
    (folder / "train.en").write_bytes(source)
    (folder / "train.de.gz").write_bytes(gzip.compress(target))
    return make_config(
        folder, train=str(folder / "train.en"), train_target=str(folder / "train.de.gz")
    )


def test_two_files_of_plain_text_belong_together_line_by_line(tmp_path: Path) -> None:
    config = aligned(tmp_path, b"a room\r\na meal", b"ein Zimmer\nein Essen\n")
    assert [(e.source, e.target, e.place) for e in read_examples(config, "train")] == [
        ("a room", "ein Zimmer", f"{tmp_path}/train.en:1"),
        ("a meal", "ein Essen", f"{tmp_path}/train.en:2"),
    ]


def test_files_of_different_length_are_refused_by_name(tmp_path: Path) -> None:
    config = aligned(tmp_path, b"a\nb\nc\n", b"a\nb\n")
    with pytest.raises(InputError, match=r"train.en has 3 lines and .*train.de.gz has 2 lines"):
        read_examples(config, "train")


@pytest.mark.parametrize(
    ("source", "target", "named"),
    [
        (b"a\n\n", b"x\ny\n", "train.en:2: the line is empty"),
        (b"a\nb\n", b"x\n \n", "train.de.gz:2: the line is empty"),
        (b"a\nb\n", b"x\n\xff\n", "train.de.gz:2: not valid UTF-8 at byte 1"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(
    tmp_path: Path, source: bytes, target: bytes, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        read_examples(aligned(tmp_path, source, target), "train")


def test_a_missing_file_of_targets_is_named(tmp_path: Path) -> None:
    config = aligned(tmp_path, b"a\n", b"b\n")
    (tmp_path / "train.de.gz").unlink()
    with pytest.raises(InputError, match=r"train.de.gz does not exist"):
        read_examples(config, "train")
    with pytest.raises(InputError, match=r"tasks.de.train_target: the file .* does not exist"):
        digest_split(config, "train_target")


def test_both_files_of_a_split_have_a_digest(tmp_path: Path) -> None:
    config = aligned(tmp_path, b"a\n", b"b\n")
    assert config.settings_of("train") == ("train", "train_target")
    assert config.settings_of("test") == ("test",)
    before = [digest_split(config, name) for name in config.settings_of("train")]
    (tmp_path / "train.de.gz").write_bytes(gzip.compress(b"c\n"))
    after = [digest_split(config, name) for name in config.settings_of("train")]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False]


@pytest.mark.parametrize(
    ("further", "named"),
    [
        ({"finetune": {"attention": "bidirectional"}}, "'causal'"),
        ({"hub": "a/b", "train_target": "x"}, "remove train_target and test_target, or hub"),
        ({"validation_target": "x"}, "set validation"),
        ({"source_share": 1.0}, "less than 1"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(
    tmp_path: Path, further: dict[str, Any], named: str
) -> None:
    with pytest.raises(ValidationError, match=named):
        make_config(tmp_path, **further)


def test_a_fine_tuned_model_translates_what_it_has_learned(
    tuned: tuple[TranslationConfig, Path],
) -> None:
    assert read_json(tuned[1] / "task.json")["is_causal"]
    answers = load_predictor(tuned[1])(["red room", "meal and"])
    assert answers == [
        {"translation": "rot Zimmer", "is_cut": False},
        {"translation": "Essen und", "is_cut": False},
    ]


def test_a_model_of_an_earlier_version_is_greedy_and_keeps_its_numbers(
    tuned: tuple[TranslationConfig, Path], tmp_path: Path
) -> None:
    task = read_json(tuned[1] / "task.json")
    assert task["spec"]["beams"] == 4
    assert task["spec"]["splits_numbers"]
    assert task["spec"]["has_pointer"]
    assert task["spec"]["reads_both_ways"]
    write_json(tmp_path / "task.json", task | {"spec": {"source_share": 0.5}})
    assert read_task(tmp_path).spec == Spec(0.5, beams=1, splits_numbers=False, has_pointer=False)


def test_the_evaluation_writes_scores_and_signatures_that_its_predictions_give(
    tuned: tuple[TranslationConfig, Path], tmp_path: Path
) -> None:
    evaluate(tuned[0], {"model": tuned[1]}, tmp_path)
    metrics = read_json(tmp_path / "metrics.json")
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert [row["text"] for row in rows] == [row["source"] for row in toy_rows(40, seed=2)]
    scores = corpus_scores([r["translation"] for r in rows], [r["reference"] for r in rows], "de")
    assert scores == {name: metrics[name] for name in ("bleu", "chrf")}
    assert metrics["chrf"] > 95
    signed = {f"signature.{name}": text for name, text in signatures(tuned[0]).items()}
    assert read_json(tmp_path / "tags.json") == signed
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".jsonl"}


def test_the_baselines_are_copying_and_word_by_word(
    tuned: tuple[TranslationConfig, Path], tmp_path: Path
) -> None:
    baseline(tuned[0], {}, tmp_path)
    metrics = read_json(tmp_path / "metrics.json")
    assert metrics["chrf"] == metrics["word_by_word/chrf"] == 100.0  # a toy of single words
    assert metrics["trivial/chrf"] == metrics["copy_source/chrf"] < 50
