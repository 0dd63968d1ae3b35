"""Specifies what is read of finished pretrainings, and the plan that is fitted to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from textmill import model as models
from textmill.compose import compose
from textmill.config import Config, ModelConfig, ScalingLaw
from textmill.errors import InputError
from textmill.files import MANIFEST, digest_folder, digest_values, write_json
from textmill.model import GPT
from textmill.reports.trained_runs import trained_runs
from textmill.tracking.artifacts import publish
from textmill.tracking.store import Store
from textmill.training.planning.law import predicted_loss
from textmill_flows.answering.forecast import fit

LAW = ScalingLaw(e=0.5, a=20.0, b=30.0, alpha=0.4, beta=0.3)
Make = Callable[..., str]


@pytest.fixture
def made(store: Store, tmp_path: Path) -> Make:
    """Returns a function that makes a finished pipeline run with a pretraining."""

    def make(n_embd: int, n_tokens: int, tokens: str = "t" * 64, steps: bool = True) -> str:
        experiment = store.experiment("small")
        name = f"{n_embd} wide, {n_tokens} tokens, {tokens[0]}{steps}"
        parent = store.start_run(experiment, name, {"textmill.kind": "pipeline"})
        if steps:
            network = GPT(ModelConfig(n_layer=1, n_head=1, n_embd=n_embd, vocab_size=50))
            run_id = store.start_run(experiment, "pretrain", {"mlflow.parentRunId": parent})
            out = tmp_path / run_id
            out.mkdir()
            models.save(network, out)
            files = digest_folder(out)
            manifest = {
                "inputs": {"tokens": {"digest": tokens}},
                "files": files,
                "digest": digest_values(files),
            }
            write_json(out / MANIFEST, manifest)
            publish(store, run_id, out)
            loss = predicted_loss(network.n_matmul_parameters(), n_tokens, LAW)
            store.log_metrics(run_id, {"validation/loss": loss, "tokens_seen": n_tokens})
            store.end_run(run_id, "FINISHED")
            store.set_tags(parent, {"textmill.result.pretrain": run_id})
        store.end_run(parent, "FINISHED")
        return parent

    return make


def test_a_run_gives_its_size_its_tokens_and_its_loss(store: Store, made: Make) -> None:
    name = made(16, 1000)
    [run], _ = trained_runs(store, [name])
    size = 4 * 16 * 16 + 3 * 64 * 16 + 50 * 16
    assert (run.name, run.parameters, run.tokens) == (name, size, 1000)
    assert run.loss == pytest.approx(predicted_loss(size, 1000, LAW))


def test_runs_of_different_tokens_are_an_error(store: Store, made: Make) -> None:
    one, other = made(16, 1000), made(16, 1000, tokens="u" * 64)
    with pytest.raises(InputError, match=f"'{one}' and '{other}' were trained on different tokens"):
        trained_runs(store, [one, other])


def test_a_run_without_a_pretraining_is_an_error(store: Store, made: Make) -> None:
    with pytest.raises(InputError, match="has no pretrained backbone"):
        trained_runs(store, [made(16, 1000, steps=False)])


def test_the_plan_is_fitted_drawn_and_printed_for_the_configuration(
    config: Config, made: Make, tmp_path: Path
) -> None:
    runs = [made(n_embd, n_tokens) for n_embd in (8, 24, 64) for n_tokens in (1e3, 1e4, 1e5)]
    where = [f"tracking.home={config.tracking.home}"]
    if config.tracking.uri is not None:
        where.append(f"tracking.uri={config.tracking.uri}")
    file = tmp_path / "law.png"
    data, law, place, line = fit(compose("demo", where).tracking, runs, file)
    assert data.startswith("9 runs on ")
    assert "1 k to 100 k tokens" in data
    assert "maximum error 0.000" in law
    assert str(file) in place
    assert file.read_bytes().startswith(b"\x89PNG")
    plan = ScalingLaw.model_validate(yaml.safe_load(line)["plan"])
    assert plan.model_dump() == pytest.approx(LAW.model_dump(), rel=0.05)
