"""The backbone: pretraining, and its measure as a language model."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State

from flows.context import Context, command, outcome, run_step, step_task
from flows.prepare import Prepared, folder_sources, place_sample, prepare_parts
from flows.recording import recorded_flow
from textmill.config import PretrainStepConfig
from textmill.steps.step import PRETRAIN
from textmill.tracking.results import Result


@step_task("pretrain")
def train_backbone(context: Context, prepared: Prepared) -> State[Any]:
    """Pretrain the backbone."""
    config = PretrainStepConfig(
        model=context.config.model,
        pretrain=context.config.pretrain,
        weights=context.config.corpus.weights,
        redaction=context.config.corpus.redaction,
    )
    inputs = {"tokens": prepared.tokens, "tokenizer": prepared.tokenizer}
    place = context.config.pretrain.init_from
    names = ["config.json", "model.safetensors", "tokenizer.json"]
    return run_step(
        context, PRETRAIN, config, inputs, folder_sources("pretrain.init_from", place, names)
    )


def backbone_parts(context: Context) -> tuple[Prepared, Result]:
    """Run everything from the sources to the backbone inside another flow."""
    prepared = prepare_parts(context)
    return prepared, outcome(train_backbone(context, prepared))


@recorded_flow("pretrain")
def pretrain(config: str = "demo", overrides: list[str] | None = None) -> None:
    """Pretrain the backbone, and compute first what that needs."""
    with command("pretrain", config, overrides or []) as context:
        place_sample(context)
        backbone_parts(context)
