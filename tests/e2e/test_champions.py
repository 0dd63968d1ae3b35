from __future__ import annotations

import json

import pytest
from mlflow.tracking import MlflowClient

from tests.e2e.conftest import SMALL, Product

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TOPIC = [word for word in SMALL if not word.startswith(("tasks.", "finetune.", "pretrain.max"))]
TOPIC += ["tasks=[sample-topic]", "pretrain.max_steps=150", "pretrain.learning_rate=0.01"]
TOPIC += ["sample.n_test=300", "finetune.candidates=[network]"]
"""The shrunken demo with one task, trained until it has learned something."""
POOR = ["finetune.epochs=3", "finetune.learning_rate=0.008"]
BETTER = ["finetune.epochs=12", "finetune.learning_rate=0.01"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A working folder in which a poor model was trained, and then a better one."""
    product = Product(tmp_path_factory.mktemp("trained"))
    for how in (POOR, BETTER):
        done = product.run("run", *TOPIC, *how)
        assert done.returncode == 0, done.stderr
        product.first_err += done.stderr
    return product


def client_of(product: Product) -> MlflowClient:
    return MlflowClient(f"sqlite:///{product.folder}/mlruns/mlflow.db")


def champion(product: Product, model: str) -> int:
    return int(client_of(product).get_model_version_by_alias(f"demo.{model}", "champion").version)


def test_a_run_registers_its_models_and_a_better_one_is_promoted(trained: Product) -> None:
    for line in (
        "backbone: promoted v1: the first, and better than the trivial model",
        "topic: promoted v1: the first, and better than the trivial model",
        "backbone: kept champion v1: v1 is this model, promoted",
        "topic: promoted v2: better: accuracy",
    ):
        assert line in trained.first_err
    version = client_of(trained).get_model_version("demo.topic", "1")
    assert version.description.startswith("# topic")
    assert version.tags["textmill.decision"] == "promoted"
    assert (
        client_of(trained).get_model_version("demo.backbone", "1").source.startswith("models:/m-")
    )


def test_champions_are_chosen_by_hand_and_answer(trained: Product) -> None:
    newest = trained.run("predict", "topic", "The harbour is old.").stdout
    done = trained.run("rollback", "topic")
    assert (done.returncode, champion(trained, "topic")) == (0, 1)
    assert "demo.topic: v1 is the champion again, instead of v2" in done.stdout
    older = trained.run("predict", "topic", "The harbour is old.").stdout
    assert json.loads(older)["score"] != json.loads(newest)["score"]
    done = trained.run("rollback", "topic")
    assert (done.returncode, "no previous champion" in done.stderr) == (2, True)
    done = trained.run("promote", "topic", "--version", "2")
    assert (done.returncode, champion(trained, "topic")) == (0, 2)
    assert trained.run("predict", "topic", "The harbour is old.").stdout == newest


def test_other_test_examples_have_the_champion_measured_anew(trained: Product) -> None:
    done = trained.run("run", *TOPIC, *POOR, "sample.seed=1", "pretrain.max_steps=20")
    assert done.returncode == 0, done.stderr
    before = champion(trained, "topic")
    assert f"topic: kept champion v{before}, rejected v3: not" in done.stderr
    assert "backbone: " in done.stderr
    tags = client_of(trained).get_model_version("demo.topic", str(before)).tags
    assert (
        tags["textmill.test_digest"]
        == (client_of(trained).get_model_version("demo.topic", "3").tags["textmill.test_digest"])
    )


def test_two_runs_are_compared_in_the_terminal_as_json_and_in_mlflow(trained: Product) -> None:
    client = client_of(trained)
    experiments = [e.experiment_id for e in client.search_experiments()]
    found = client.search_runs(
        experiments, "tags.`textmill.kind`='pipeline'", order_by=["attributes.start_time"]
    )
    first, second = (run.info.run_id for run in found[:2])
    done = trained.run("compare", first, second[:12], "--json")
    assert done.returncode == 0, done.stderr
    values = json.loads(done.stdout)
    assert values["settings"]["finetune.epochs"] == ["3", "12"]
    assert values["modules"] == values["packages"] == values["data"] == {}
    accuracy = [s for s in values["scores"] if (s["task"], s["metric"]) == ("topic", "accuracy")]
    assert accuracy[0]["value"] == found[0].data.metrics["topic/accuracy"]
    assert accuracy[1]["against_first"]["p_value"] < 0.05
    loss = [s for s in values["scores"] if s["metric"] == "val_loss"]
    assert loss[0]["value"] == pytest.approx(found[0].data.metrics["lm/val_loss"])
    assert loss[1]["against_first"]["p_value"] == 1

    done = trained.run("compare", first, second)
    assert "| topic/accuracy" in done.stdout
    names = [file.path for file in client.list_artifacts(second, "comparison")]
    assert names == [f"comparison/{first[:8]}.md"]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["compare", "0" * 32, "1" * 32], "There is no run '0000"),
        (["compare", "abcd"], "There is no run 'abcd'"),
        (["promote", "topc"], "this experiment has demo.backbone, demo.topic"),
        (["promote", "topic", "--version", "99"], "has no version 99"),
        (["rollback", "backbone"], "no previous champion"),
    ],
)
def test_what_is_not_there_is_named(trained: Product, words: list[str], named: str) -> None:
    done = trained.run(*words)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert named in done.stderr
