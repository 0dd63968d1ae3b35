"""The whole chain, from sources to scores."""

from __future__ import annotations

from flows.baselines import measure_baselines
from flows.context import command
from flows.evaluate import run_branches
from flows.prepare import place_sample
from flows.pretrain import backbone_parts
from flows.recording import recorded_flow


@recorded_flow("pipeline")
def pipeline(
    config: str = "demo", overrides: list[str] | None = None, event: str | None = None
) -> str:
    """Clean, tokenize, pretrain, then fine-tune and evaluate every task, side by side.

    Returns:
        The id of its run in MLflow.
    """
    # What is made for an event belongs to a flow that tells of its failures.
    with command(
        "pipeline", config, overrides or [], event=event, is_told=event is None
    ) as context:
        place_sample(context)
        baselines = measure_baselines(context, context.config.tasks)
        prepared, backbone = backbone_parts(context)
        run_branches(context, context.config.tasks, backbone, prepared, baselines)
        return context.pipeline.run_id
