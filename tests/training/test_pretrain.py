"""Specifies pretraining: what it learns, what it writes, and what it refuses."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.conftest import REPETITIVE, VOCAB_SIZE, apart_loss, logged, run
from textmill import model as models
from textmill.corpus.tokens.packing import PackedBlocks
from textmill.errors import InputError, RunError
from textmill.training import pretrain as subject
from textmill.training.batches import shuffled
from textmill.training.objectives import objective_losses
from textmill.training.pretrain import SAMPLES

# Lightning asks torch whether a tree is a leaf in a way that torch will drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


def test_repetitive_text_is_learned(inputs: dict[str, Path]) -> None:
    out = run(inputs, "a", max_steps=60, validate_every_steps=60, checkpoint_every_steps=100)
    assert logged(out, "train/loss")[0] == pytest.approx(math.log(VOCAB_SIZE), abs=0.4)
    assert logged(out, "validation/loss")[-1] < math.log(VOCAB_SIZE) / 3


def test_the_backbone_has_the_loss_of_the_last_validation(inputs: dict[str, Path]) -> None:
    out = run(inputs, "a")
    network = models.load(out)
    loss = apart_loss(network, inputs["tokens"], 16)
    assert logged(out, "validation/loss")[-1] == pytest.approx(loss, rel=1e-4)
    assert logged(out, "validation/perplexity")[-1] == pytest.approx(math.exp(loss), rel=1e-4)
    n_targets = sum(len(document) + 1 for document in REPETITIVE[:10])
    bits = loss * n_targets / math.log(2) / (2 * (n_targets - 10))
    assert logged(out, "validation/bits_per_byte")[-1] == pytest.approx(bits, rel=1e-4)


def test_the_hybrid_objective_learns_to_predict_both_ways(inputs: dict[str, Path]) -> None:
    out = run(
        inputs,
        "a",
        objective="hybrid",
        max_steps=80,
        validate_every_steps=40,
        checkpoint_every_steps=100,
    )
    for metric in ("train/causal_loss", "train/masked_loss"):
        assert logged(out, metric)[0] == pytest.approx(math.log(VOCAB_SIZE), abs=0.5)
    for metric in ("validation/loss", "validation/masked_loss"):
        assert logged(out, metric)[-1] < math.log(VOCAB_SIZE) / 2
    mean = (logged(out, "train/causal_loss")[3] + logged(out, "train/masked_loss")[3]) / 2
    assert logged(out, "train/loss")[3] == pytest.approx(mean, rel=1e-5)


def test_the_masked_validation_loss_hides_the_same_tokens_every_time(
    inputs: dict[str, Path],
) -> None:
    settings = {"objective": "masked", "learning_rate": 1e-12}
    losses = logged(run(inputs, "a", **settings), "validation/masked_loss")
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_activations_computed_again_change_no_byte(inputs: dict[str, Path]) -> None:
    one, other = (
        run(inputs, str(again), {"dropout": 0.2}, activation_checkpointing=again)
        for again in (False, True)
    )
    assert (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


def test_the_same_seed_writes_the_same_bytes(inputs: dict[str, Path]) -> None:
    one, other = (run(inputs, name, model={"dropout": 0.2}) for name in "ab")
    names = sorted(file.name for file in one.iterdir())
    assert names == [
        "config.json",
        "metrics.json",
        "model.safetensors",
        "redaction.json",
        "tokenizer.json",
        "tokenizer_config.json",
        SAMPLES,
    ]
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"objective": "hybrid", "optimizer": "muon"},
        {"weights": {"songs": 0.2}, "packing": "fill", "overlap": 3},
    ],
    ids=["causal", "hybrid", "weighted"],
)
def test_an_interrupted_run_writes_the_bytes_of_a_whole_one(
    inputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch, training: dict[str, Any]
) -> None:
    choices: dict[str, Any] = dict(model={"dropout": 0.2}, accumulate=2, **training)
    whole = run(inputs, "whole", **choices)
    calls = iter(range(100))

    def die_in_step_five(*arguments: Any) -> dict[str, torch.Tensor]:
        if next(calls) == 9:
            raise KeyError("killed")
        return objective_losses(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(subject, "objective_losses", die_in_step_five)
        with pytest.raises(KeyError, match="killed"):
            run(inputs, "parts", **choices)
    out = inputs["tokens"].parent / "parts" / "out"
    assert list(out.iterdir()) == []
    out.rmdir()
    parts = run(inputs, "parts", **choices)
    for file in whole.iterdir():
        assert (parts / file.name).read_bytes() == file.read_bytes()
    for metric in ("train/loss", "train/gradient_norm", "validation/loss"):
        assert logged(parts, metric) == logged(whole, metric)


def test_the_vocabulary_is_the_tokenizers_unless_it_is_set(inputs: dict[str, Path]) -> None:
    sizes = [
        models.load(run(inputs, str(size), {"vocab_size": size}, max_steps=2)).config.vocab_size
        for size in (None, 32)
    ]
    assert sizes == [VOCAB_SIZE, 32]


def test_without_steps_the_initial_model_is_the_backbone(inputs: dict[str, Path]) -> None:
    earlier = run(inputs, "earlier", max_steps=2)
    out = run(inputs, "same", init_from=str(earlier), max_steps=0, micro_batch_size=1024)
    for name, weight in models.load(earlier).state_dict().items():
        assert torch.equal(models.load(out).state_dict()[name], weight), name
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["tokens_seen"] == 0


def test_the_metrics_count_parameters_blocks_and_tokens(inputs: dict[str, Path]) -> None:
    out = run(inputs, "a", accumulate=3, max_steps=2)
    metrics = json.loads((out / "metrics.json").read_text())
    n_targets = sum(len(document) + 1 for document in REPETITIVE)
    used = metrics["blocks"] * 16 * (1 - metrics["padding_share"])
    assert used == pytest.approx(n_targets)
    # The first two steps, each of three micro-batches of four blocks, in the order of the seed.
    blocks = PackedBlocks(inputs["tokens"] / "train", 16)
    taken = shuffled(len(blocks), 4, seed=0)(0)[:6]
    n_seen = blocks.rows([block for batch in taken for block in batch])["loss_mask"].sum()
    assert metrics["tokens_seen"] == n_seen
    assert metrics["tokens_seen/source/books"] + metrics["tokens_seen/source/songs"] == n_seen
    last = [logged(out, f"train/share/source/{name}")[-1] for name in ("books", "songs")]
    assert last == [metrics[f"tokens_seen/source/{name}"] / n_seen for name in ("books", "songs")]
    assert metrics["parameters"] == sum(p.numel() for p in models.load(out).parameters())


def test_a_vocabulary_smaller_than_the_tokenizers_is_an_error(inputs: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"model\.vocab_size=19 is smaller .* 20 entries"):
        run(inputs, "a", {"vocab_size": 19})


def test_a_corpus_of_less_than_a_batch_is_an_error(inputs: dict[str, Path]) -> None:
    n_blocks = len(PackedBlocks(inputs["tokens"] / "train", 16))
    match = rf"micro_batch_size={n_blocks + 1}: the corpus has only {n_blocks} blocks"
    with pytest.raises(InputError, match=match):
        run(inputs, "a", micro_batch_size=n_blocks + 1)


@pytest.mark.parametrize(
    ("choices", "difference"),
    [
        ({"learning_rate": 0.03}, r"pretrain\.learning_rate is 0\.02 there and 0\.03 here"),
        ({"model": {"n_embd": 32}}, r"model\.n_embd is 16 there and 32 here"),
        ({"accumulate": 2}, r"pretrain\.accumulate is 1 there and 2 here"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused_with_the_first_difference(
    inputs: dict[str, Path], choices: dict[str, Any], difference: str
) -> None:
    with pytest.raises(RunError, match="step 1, after saving a checkpoint"):
        run(inputs, "a", max_hours=1e-9)
    checkpoints = inputs["tokens"].parent / "a" / "work" / "checkpoints"
    before = {file: file.read_bytes() for file in checkpoints.rglob("*") if file.is_file()}
    with pytest.raises(InputError, match=f"step-00000001 is of another training: {difference}"):
        run(inputs, "a", **choices)
    assert {file: file.read_bytes() for file in before} == before
    assert list((inputs["tokens"].parent / "a" / "out").iterdir()) == []


def test_a_checkpoint_of_another_tokenizer_is_refused(inputs: dict[str, Path]) -> None:
    with pytest.raises(RunError, match="step 1, after saving a checkpoint"):
        run(inputs, "a", max_hours=1e-9)
    file = inputs["tokenizer"] / "tokenizer.json"
    file.write_text(file.read_text().replace('"t"', '"tea"'))
    with pytest.raises(InputError, match="of another training: tokenizer is"):
        run(inputs, "a")


def test_settings_that_change_no_result_are_no_difference(inputs: dict[str, Path]) -> None:
    with pytest.raises(RunError, match="step 1, after saving a checkpoint"):
        run(inputs, "a", max_hours=1e-9)
    run(inputs, "a", checkpoint_every_steps=3, price_per_hour=2.0)
    assert len(logged(inputs["tokens"].parent / "a" / "out", "train/loss")) == 3


def test_every_source_has_its_own_validation_loss(inputs: dict[str, Path]) -> None:
    out = run(inputs, "a")
    n_targets = {"books": 0, "songs": 0}
    for number, document in enumerate(REPETITIVE[:10]):
        n_targets["songs" if number % 3 else "books"] += len(document) + 1
    parts = [logged(out, f"validation/loss/source/{name}")[-1] * n for name, n in n_targets.items()]
    whole = logged(out, "validation/loss")[-1] * sum(n_targets.values())
    assert sum(parts) == pytest.approx(whole, rel=1e-6)
    assert logged(out, "validation/loss/language/en") == []  # the only one


def test_weights_decide_what_is_trained_on_and_not_what_is_validated(
    inputs: dict[str, Path],
) -> None:
    still = {"learning_rate": 1e-12, "max_steps": 30, "validate_every_steps": 30}
    plain, weighted = (
        run(inputs, str(n), weights=weights, **still)
        for n, weights in enumerate(({}, {"books": 0.75}))
    )
    assert logged(weighted, "train/share/source/books")[-1] == pytest.approx(0.75, abs=0.02)
    assert logged(plain, "train/share/source/books")[-1] < 0.5
    for metric in ("validation/loss", "validation/loss/source/books"):
        assert logged(weighted, metric) == pytest.approx(logged(plain, metric), rel=1e-6)
    metrics = json.loads((weighted / "metrics.json").read_text())
    n_books = sum(len(document) + 1 for document in REPETITIVE[::3])
    seen = metrics["tokens_seen/source/books"]
    assert metrics["epochs/source/books"] == pytest.approx(seen / n_books)


def test_every_validation_samples_a_text(inputs: dict[str, Path]) -> None:
    out = run(inputs, "a", sample_tokens=7)
    samples = json.loads((out / SAMPLES).read_text())
    assert list(samples) == ["3", "6"]
    lengths = [len(text.split()) for text in samples.values()]
    assert 0 < max(lengths) <= 7
    assert json.loads((run(inputs, "b", sample_tokens=0) / SAMPLES).read_text()) == {}


def test_the_average_of_the_weights_is_kept_in_their_place(inputs: dict[str, Path]) -> None:
    """After two steps, the decay is (1 + 2) / (10 + 2), below the configured one."""
    first, second, averaged = (
        models.load(run(inputs, name, schedule="linear", final_learning_rate_share=1.0, **choices))
        for name, choices in {
            "a": dict(max_steps=2, validate_every_steps=1),
            "b": dict(max_steps=3, validate_every_steps=1),
            "c": dict(max_steps=3, validate_every_steps=1, average_decay=0.5),
        }.items()
    )
    only = models.load(
        run(inputs, "d", max_steps=2, schedule="linear", final_learning_rate_share=1.0,
            average_decay=0.5)
    )  # fmt: skip
    expected = only.lm_head.weight / 4 + second.lm_head.weight * 3 / 4
    torch.testing.assert_close(averaged.lm_head.weight, expected)
    assert not torch.equal(averaged.lm_head.weight, second.lm_head.weight)
    assert not torch.equal(only.lm_head.weight, first.lm_head.weight)


def test_the_loss_of_the_average_is_what_is_validated(inputs: dict[str, Path]) -> None:
    out = run(inputs, "a", average_decay=0.9)
    loss = apart_loss(models.load(out), inputs["tokens"], 16)
    assert logged(out, "validation/loss")[-1] == pytest.approx(loss, rel=1e-4)


def test_a_loss_that_leaps_stops_with_the_documents_and_the_checkpoint(
    inputs: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(RunError) as raised:
        run(
            inputs,
            "a",
            max_steps=40,
            learning_rate=30.0,
            log_every_steps=1,
            max_loss_rise=0.5,
        )
    message = str(raised.value)
    assert re.search(r"The loss has risen from [\d.]+ to [\d.]+ at step \d+, in a batch", message)
    assert "the documents train-" in message
    assert f"The newest checkpoint is {tmp_path}" in message or "is None" in message


def test_the_last_step_logs_what_training_has_cost(inputs: dict[str, Path]) -> None:
    out = run(inputs, "a", price_per_hour=3600.0, watts=1000.0)
    (hours,), (flops,) = logged(out, "cost/hours"), logged(out, "cost/flops")
    assert 0 < hours * 3600 < 60
    assert logged(out, "cost/money") == pytest.approx([hours * 3600])
    assert logged(out, "cost/energy_kwh") == pytest.approx([hours])
    per_token = models.load(out).flops_per_token(16)
    assert 0 < flops < 6 * 4 * 16 * per_token


def test_a_spent_budget_ends_training_at_a_checkpoint_from_which_it_goes_on(
    inputs: dict[str, Path],
) -> None:
    with pytest.raises(
        RunError, match=r"step 1, after saving a checkpoint: pretrain\.max_hours=1e-09 is reached"
    ):
        run(inputs, "a", max_hours=1e-9)
    shutil.rmtree(inputs["tokens"].parent / "a" / "out")
    resumed, whole = run(inputs, "a"), run(inputs, "b")
    for file in ("model.safetensors", SAMPLES):
        assert (resumed / file).read_bytes() == (whole / file).read_bytes()
