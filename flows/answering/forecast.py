"""Forecast of a training and compute-optimal plan: `textmill plan`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from textmill.compose import CONF, compose
from textmill.config import Config, TrackingConfig, open_sizes
from textmill.errors import InputError
from textmill.hardware import limit_spinning, n_cores, set_up_torch
from textmill.steps.access import as_user
from textmill.steps.chosen import FILE as SIZES
from textmill.steps.chosen import read_sizes, with_sizes
from textmill.steps.graph import BUDGET, GRAPH
from textmill.tracking.artifacts import output_folder
from textmill.tracking.raw_data import with_sample
from textmill.tracking.status import find_status
from textmill.tracking.store import Store


def plan(
    config: Config,
    hours: float | None,
    flops: float | None,
    money: float | None,
) -> Iterator[str]:
    """Yield the cost of the configured training on this machine, and the best plan for a budget.

    Args:
        config: the configuration.
        hours: budget in hours of training on this machine.
        flops: budget in FLOPs.
        money: budget in money, at cluster.price_per_hour.

    Raises:
        InputError: the budget is given in two ways, in money without a price, or is no positive
            number.
    """
    options = {"--hours": hours, "--flops": flops, "--money": money}
    budgets = {option: budget for option, budget in options.items() if budget is not None}
    if len(budgets) > 1:
        raise InputError("Give the budget in one way: --hours, --flops or --money.")
    for option, budget in budgets.items():
        if not 0 < budget < math.inf:  # nan is no number
            raise InputError(f"{option} {budget:g} is no budget: give a positive number.")
    price = config.cluster.price_per_hour
    if money is not None and not price:
        raise InputError("--money needs a price: set cluster.price_per_hour.")
    limit_spinning()
    set_up_torch(n_cores())  # as in a training's process
    from textmill.training.planning.law import compute_optimal
    from textmill.training.planning.plan import forecast, measure_speed

    if open_sizes(config):
        config, reasons = _chosen(config)
        yield from reasons
    vocab_size = config.model.vocab_size or config.tokenizer.sized().vocab_size
    model = config.model.model_copy(update={"vocab_size": vocab_size}).sized()
    training = config.pretrain.sized()
    speed = measure_speed(model, training)
    yield (
        f"{_number(speed.parameters)} parameters: {speed.tokens_per_s:,.0f} tokens/s, "
        f"{_number(speed.flops_per_s)} FLOP/s, {speed.mfu:.0%} of this machine's peak."
    )
    taken = forecast(model, training, speed)
    yield (
        f"pretrain, {training.max_steps:,} steps: {_number(taken.tokens)} tokens, "
        f"{_duration(taken.hours)}, {_number(taken.flops)} FLOPs, "
        f"{_number(speed.memory_bytes)}B of memory{_cost(config, taken.hours)}."
    )
    if money is not None and price:
        hours = money / price
    if hours is not None:
        flops = hours * 3600 * speed.flops_per_s
    if flops is None:
        return
    best = compute_optimal(flops, config.plan)
    hours = flops / speed.flops_per_s / 3600
    yield (
        f"For {_number(flops)} FLOPs, here {_duration(hours)}{_cost(config, hours)}: "
        f"{_number(best.parameters)} parameters, {_number(best.tokens)} tokens (Hoffmann et al. "
        f"2022 expect {best.loss:.2f} nats per token on their text)."
    )
    per_step = training.accumulate * training.micro_batch_size * model.block_size
    name, parameters = min(
        _presets(config, vocab_size),
        key=lambda preset: abs(preset[1] - best.parameters),
    )
    steps = round(flops / (6 * parameters) / per_step)
    yield (
        f"The nearest preset is model={name} with {_number(parameters)}: "
        f"textmill pretrain model={name} pretrain.max_steps={steps}"
    )


def _chosen(config: Config) -> tuple[Config, tuple[str, ...]]:
    """Return a configuration with the sizes that a run would choose, and the reasons.

    Steps that lead to the choice and have no stored result are computed in a temporary folder.

    Raises:
        InputError: the data cannot be used, or the budget is too small.
        RunError: a stored result is damaged.
    """
    known = {part.label: part.run_id for part in find_status(config) if part.state == "reused"}
    folders: dict[str, Path] = {}
    with TemporaryDirectory() as temporary:
        for part in GRAPH.up_to(config, BUDGET.label()):
            if run_id := known.get(part.label):
                folder = output_folder(Store(config.tracking), run_id)
            else:
                folder = Path(temporary, part.label)
                folder.mkdir()
                inputs = {name: folders[of] for name, of in GRAPH.inputs(part, config).items()}
                module, _, name = part.step.function.partition(":")
                getattr(import_module(module), name)(part.configure(config), inputs, folder)
            folders[part.label] = folder
            if part.comes_first:
                config = with_sample(config, str(folder))
        sizes = read_sizes(folders[BUDGET.label()] / SIZES)
    return with_sizes(config, sizes), sizes.reasons


def fit(config: TrackingConfig, runs: Sequence[str], file: Path) -> Iterator[str]:
    """Yield the scaling law fitted to finished runs, with its settings, and plot it.

    Args:
        config: configuration of the store.
        runs: ids, beginnings of ids, or names of pipeline runs.
        file: the PNG file of the plot.

    Raises:
        InputError: a run cannot be used, or they are too few or too similar.
        RunError: a result is missing or damaged.
    """
    from textmill.evaluation.plots import plot_scaling_law
    from textmill.reports.trained_runs import trained_runs
    from textmill.tracking.store import Store
    from textmill.training.planning.law import predicted_loss
    from textmill.training.planning.scaling import fit_law

    store = Store(config)
    trained, sources = trained_runs(store, runs)
    law = fit_law(trained)
    by_size: dict[int, list[tuple[int, float]]] = {}
    for run in trained:
        by_size.setdefault(run.parameters, []).append((run.tokens, run.loss))
    with as_user():
        plot_scaling_law(by_size, lambda n, d: predicted_loss(n, d, law), file)
    rest = max(abs(predicted_loss(r.parameters, r.tokens, law) - r.loss) for r in trained)
    sizes, lengths = sorted(by_size), sorted(run.tokens for run in trained)
    yield (
        f"{len(trained)} runs on {sources or 'the same tokens'}: {_number(sizes[0])} to "
        f"{_number(sizes[-1])} parameters, {_number(lengths[0])} to {_number(lengths[-1])} tokens."
    )
    yield (
        f"Loss = {law.e:.4g} + {law.a:.4g} / N^{law.alpha:.4g} + {law.b:.4g} / D^{law.beta:.4g} "
        f"nats per token, for N parameters and D tokens; maximum error {rest:.3f}."
    )
    yield f"Plotted in {file}. For the configuration:"
    numbers = ", ".join(f"{name}: {value:.6g}" for name, value in law.model_dump().items())
    yield f"plan: {{{numbers}}}"


def _presets(config: Config, vocab_size: int) -> Iterator[tuple[str, int]]:
    """Yield the presets of the configured architecture, with their sizes."""
    import torch

    from textmill.model import GPT

    for file in sorted((CONF / "model").glob("*.yaml")):
        found = compose("demo", [f"model={file.stem}", "budget_minutes=1"]).model
        if found.n_layer is None:
            continue
        model = found.sized()
        alike = model.activation, model.position, model.norm_placement
        if alike == (config.model.activation, config.model.position, config.model.norm_placement):
            with torch.device("meta"):
                network = GPT(model.model_copy(update={"vocab_size": vocab_size}))
            yield file.stem, network.n_matmul_parameters()


def _cost(config: Config, hours: float) -> str:
    """Return the cost of hours on this machine, as far as it is known."""
    parts = []
    if config.cluster.watts is not None:
        parts.append(f"{hours * config.cluster.watts / 1000:.3g} kWh")
    if config.cluster.price_per_hour is not None:
        parts.append(f"{hours * config.cluster.price_per_hour:.2f} at the price")
    return "".join(f", {part}" for part in parts)


def _duration(hours: float) -> str:
    """Return a time in the largest unit that it reaches."""
    for unit, size in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= size:
            return f"{hours / size:.1f} {unit}"
    return f"{hours * 3600:.1f} seconds"


def _number(value: float) -> str:
    """Return a number with three digits and the prefix of its size, as in 3.15 M."""
    for prefix, size in (("E", 1e18), ("P", 1e15), ("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"
