"""Specifies fine-tuning: it learns, keeps the best epoch, and splits off validation by seed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tasks.conftest import points, tune, with_finetune
from tests.tasks.ensemble.test_candidates import make_task
from textmill import model as models
from textmill.corpus.tokens.tokenizer import load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.model import choose_device
from textmill.tasks.classification.settings import ClassificationConfig
from textmill.tasks.ensemble.predictor import load_predictor
from textmill.tasks.finetune import (
    finetune,
    spec_of_part,
    split_examples,
    training_examples,
)
from textmill.tasks.kinds import examples_of, network_of
from textmill.training.batches import to_device

# Lightning announces its own changes, and that two processor cores could load data.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning:lightning"
)
KIND = examples_of("classification")
TRAINED = network_of("classification")


def split(config: ClassificationConfig) -> tuple[list[Any], list[Any]]:
    return split_examples(config, KIND, training_examples(config, KIND))


def test_settings_of_a_part_are_estimated_from_it_unless_it_lacks_a_label(
    toy: ClassificationConfig,
) -> None:
    config = toy.model_copy(update={"class_weights": "balanced"})
    splits = train, validation = split(config)
    part = ([one for one in train if one.label == "good"][:10] + train, validation)
    spec = spec_of_part(config, KIND, part, train, "of all")
    assert spec == KIND.make_spec(config, [*part[0], *validation])
    assert spec != KIND.make_spec(config, [*train, *validation])
    unknown = replace(train[0], label="odd")
    assert spec_of_part(config, KIND, splits, [unknown], "of all") == "of all"
    only = [one for one in train if one.label == "good"]
    assert spec_of_part(config, KIND, (only, only), train, "of all") == "of all"


def test_a_separable_task_is_learned(tuned: tuple[Path, Path], toy: ClassificationConfig) -> None:
    examples = KIND.read_examples(toy, "test")
    answers = load_predictor(tuned[0])([e.text for e in examples])
    right = [a["label"] == e.label for a, e in zip(answers, examples, strict=True)]
    assert sum(right) / len(right) > 0.9


def test_the_folder_is_a_complete_task_model(tuned: tuple[Path, Path], backbone: Path) -> None:
    names = {file.name for file in tuned[0].iterdir()}
    assert {"config.json", "model.safetensors", "task.json", "tokenizer.json"} <= names
    assert read_json(tuned[0] / "task.json")["spec"] == {
        "labels": ["bad", "good"],
        "has_pairs": False,
        "weights": [],
    }
    tokenizer = (backbone / "tokenizer.json").read_bytes()
    assert (tuned[0] / "tokenizer.json").read_bytes() == tokenizer


def test_metrics_count_the_examples(tuned: tuple[Path, Path]) -> None:
    metrics = read_json(tuned[0] / "metrics.json")
    assert metrics["train_examples"] == 108
    assert metrics["validation_examples"] == 12
    assert metrics["cut_examples"] == 0


def test_the_best_validation_accuracy_is_that_of_the_kept_epoch(
    tuned: tuple[Path, Path], toy: ClassificationConfig
) -> None:
    seen = points(tuned[1], "validation/accuracy")
    assert len(seen) == toy.finetune.epochs
    best = read_json(tuned[0] / "metrics.json")["best_validation_accuracy"]
    assert best == max(seen)
    _, validation = split(toy)
    answers = load_predictor(tuned[0])([e.text for e in validation])
    right = [a["label"] == e.label for a, e in zip(answers, validation, strict=True)]
    assert sum(right) / len(right) == best


def test_the_same_seed_gives_the_same_weights(
    backbone: Path, toy: ClassificationConfig, tmp_path: Path
) -> None:
    digests = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out, work = tmp_path / f"out-{name}", tmp_path / f"work-{name}"
        out.mkdir()
        work.mkdir()
        finetune(with_finetune(toy, epochs=1, seed=seed), {"backbone": backbone}, out, work)
        digests.append((out / "model.safetensors").read_bytes())
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_the_validation_split_is_seeded_disjoint_and_complete(toy: ClassificationConfig) -> None:
    everything = {e.place for e in KIND.read_examples(toy, "train")}
    splits = []
    for seed in (0, 0, 1):
        train, validation = split(with_finetune(toy, seed=seed))
        places = {e.place for e in train}, {e.place for e in validation}
        assert places[0] | places[1] == everything
        assert len(train) + len(validation) == len(everything)
        assert len(validation) == 12
        splits.append(places[1])
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]


def test_a_label_that_only_validation_holds_is_known(
    toy: ClassificationConfig, backbone: Path, tmp_path: Path
) -> None:
    rows = Path(toy.train).read_text().splitlines()
    _, validation = split(toy)
    line = int(validation[0].place.rpartition(":")[2])
    rows[line - 1] = json.dumps({"text": "one of a kind", "label": "rare"})
    (tmp_path / "train.jsonl").write_text("\n".join(rows))
    config = toy.model_copy(update={"train": str(tmp_path / "train.jsonl")})
    train, validation = split(config)
    assert {e.label for e in train} == {"bad", "good"}
    out, work = tmp_path / "out", tmp_path / "work"
    out.mkdir()
    work.mkdir()
    tune(with_finetune(config, epochs=1), backbone, out, work)
    assert read_json(out / "task.json")["spec"]["labels"] == ["bad", "good", "rare"]


def test_a_validation_file_is_used_as_it_is(toy: ClassificationConfig) -> None:
    train, validation = split(toy.model_copy(update={"validation": toy.test}))
    assert (len(train), len(validation)) == (120, 40)


@pytest.mark.parametrize("share", [0.001, 0.999])
def test_a_share_that_leaves_nothing_is_refused(toy: ClassificationConfig, share: float) -> None:
    config = toy.model_copy(update={"validation_share": share})
    with pytest.raises(InputError, match=rf"tasks.mood: .*\(120\).*validation_share={share}"):
        split(config)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("kind", ["classification", "tagging", "translation"])
def test_a_gpu_computes_the_loss_and_the_scores_of_the_cpu(
    backbone: Path, tmp_path: Path, kind: str
) -> None:
    config = make_task(tmp_path, kind)
    reading, trained = examples_of(kind), network_of(kind)
    examples = reading.read_examples(config, "train")[:20]
    spec = reading.make_spec(config, examples)
    torch.manual_seed(1)
    network = trained.build(models.load(backbone), spec, 0.0, kind == "translation").train()
    encoded = trained.encode(load_tokenizer(backbone), spec, examples, 48)
    batch = trained.collate(encoded)
    if kind == "translation":  # exchanges names at random
        batch["classes"] = batch["classes"][:0]
    found = []
    for device in (torch.device("cpu"), choose_device("cuda")):
        network.to(device)
        here = to_device(batch, device)
        loss = float(trained.loss(network, here, 0.05).detach())
        with torch.inference_mode():
            found.append({"training": loss, **trained.validate(network, [here])})
    assert found[1] == pytest.approx(found[0], rel=1e-4)
