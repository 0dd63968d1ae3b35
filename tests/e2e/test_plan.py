from __future__ import annotations

import pytest

from tests.e2e.conftest import SMALL, Product

pytestmark = pytest.mark.filterwarnings("ignore")
MODEL = [word for word in SMALL if word.startswith(("model", "tokenizer", "pretrain"))]


@pytest.mark.slow
def test_a_plan_says_what_training_takes_and_what_to_train_for_a_budget(product: Product) -> None:
    done = product.run("plan", "--hours", "2", *MODEL, "cluster.price_per_hour=1.5")
    assert done.returncode == 0, done.stderr
    speed, taken, best, preset = done.stdout.splitlines()
    assert "tokens/s" in speed
    assert taken.startswith("pretrain, 40 steps: 20.5 k tokens, ")
    assert "here 2.0 hours, 3.00 at the price" in best
    assert "textmill pretrain model=modern-" in preset
    assert not (product.folder / "mlruns").exists()


@pytest.mark.slow
def test_a_budget_that_cannot_be_used_is_one_message(product: Product) -> None:
    for words, message in (
        (["--hours", "1", "--flops", "1e12"], "in one way"),
        (["--money", "5"], "set cluster.price_per_hour"),
    ):
        done = product.run("plan", *words)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
