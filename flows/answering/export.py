"""Models as folders that other programs run: `textmill export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textmill.compose import unknown_name
from textmill.config import Config, TaskConfig
from textmill.errors import InputError, RunError
from textmill.registry.current import CurrentModel, current_model
from textmill.steps.graph import FINETUNE, PRETRAIN
from textmill.tracking.artifacts import output_folder, read_manifest
from textmill.tracking.lookup import find_run
from textmill.tracking.store import Store
from textmill.tracking.tags import BACKBONE, STEP_TAG

if TYPE_CHECKING:
    from textmill.exporting.measuring import Generator
    from textmill.exporting.readme import Export

QUANTIZATIONS: Mapping[str, tuple[str, ...]] = {
    "hf": ("float32",),
    "onnx": ("float32", "int8"),
    "ctranslate2": ("float32", "int8", "bf16"),
}
"""The types of weights of each form, the default first."""
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "hf": ("transformers",),
    "onnx": ("torch", "onnx", "onnxscript", "onnxruntime"),
    "ctranslate2": ("transformers", "ctranslate2"),
}
"""The packages that write each form."""


@dataclass(frozen=True)
class ExportRequest:
    """What to make of a model."""

    form: str
    quantization: str | None = None
    """Of the weights; None: the default of the form."""
    out: Path | None = None
    """None: a folder of the working folder, with the names of model and form."""


def export_model(model: str, request: ExportRequest, config: Config) -> Iterator[str]:
    """Yield what was measured, and where the exported folder is.

    Args:
        model: `backbone` or a task of the configuration, whose champion or newest model is used;
            or the run of a training, its id or a beginning of it.
        request: form and folder.
        config: names store and experiment, the tasks and their data.

    Raises:
        InputError: the model does not exist, or has no such form; a package is missing; the folder
            exists, or cannot be written.
        RunError: the model is damaged, the store failed, or the exported model computes something
            else.
    """
    quantization = _checked_quantization(request)
    _require_packages(request.form)
    store = Store(config.tracking)
    name, found = _find_model(store, model, config)
    suffix = "" if request.quantization is None else f"-{quantization}"
    target = request.out or Path(f"{name}-{request.form}{suffix}")
    from textmill.exporting.new_folder import new_folder, write_record
    from textmill.exporting.readme import NAME, Export, readme, summary
    from textmill.reports.cards import TAG
    from textmill.tracking.served.logged import find_logged_model

    key = store.client.get_run(found.run_id).data.tags.get("textmill.key")
    export = Export(name, found.run_id, key, found.version, request.form, quantization, 0.0)
    with new_folder(target) as folder:
        write = _write_backbone if name == BACKBONE else _write_task
        export, usage = write(store, export, found.folder, config, folder)
        logged = find_logged_model(store, found.run_id)
        card = logged.tags.get(TAG) if logged is not None else None
        (folder / NAME).write_text(readme(export, usage, card), encoding="utf-8")
        write_record(folder, export.origin(), PACKAGES[request.form])
    yield f"{summary(export)}{target}\n"


def _write_backbone(
    store: Store, export: Export, place: Path, config: Config, folder: Path
) -> tuple[Export, str]:
    """Write a backbone; return what was found out, and how to use the folder."""
    from textmill import model as models
    from textmill.exporting import measuring, other_libraries
    from textmill.exporting.readme import USAGE

    backbone, usage = models.load(place), USAGE[export.form]
    if export.form == "hf":
        worst = other_libraries.write_hugging_face(place, backbone, config.generation, folder)
        return replace(export, difference=worst), usage
    write: Callable[..., tuple[float, Generator]] = (
        other_libraries.write_onnx if export.form == "onnx" else other_libraries.write_ctranslate2
    )
    precision = config.generation.precision
    original = measuring.TorchGenerator(backbone, precision)
    worst, written = write(place, backbone, export.quantization, folder)
    block_size, data = backbone.config.block_size, "beginnings of validation documents"
    try:
        inputs = read_manifest(store, store.client.get_run(export.run_id))["inputs"]
        rows = measuring.held_out_rows(output_folder(store, inputs["tokens"]["run_id"]), block_size)
    except (RunError, LookupError):  # pruned
        rows = measuring.random_rows(backbone.config.vocab_size or 0, block_size)
        data = "rows of random tokens, as the validation documents are not in the store"
    measured = measuring.compare_generators(original, written, rows, place)
    measured.append(measuring.sizes([place / "model.safetensors"], folder))
    data = f"{len(rows)} {data}; textmill generated with generation.precision={precision}"
    return replace(export, difference=worst, measured=measured, measured_on=data), usage


def _write_task(
    store: Store, export: Export, place: Path, config: Config, folder: Path
) -> tuple[Export, str]:
    """Write a task model; return what was found out, and how to use the folder."""
    from textmill.exporting import measuring, task_graphs
    from textmill.exporting.readme import USAGE
    from textmill.tasks.ensemble.model_folder import read_task
    from textmill.tasks.ensemble.predictor import load_predictor
    from textmill.tasks.kinds import BASELINE
    from textmill.tracking.served.logged import code_folder

    task = read_task(place)
    if export.form == "ctranslate2":
        raise InputError(
            f"CTranslate2 runs backbones, and {export.model} is a task model: use --to onnx."
        )
    if export.form == "hf":
        task_graphs.reject_hugging_face(task.kind)
    worst = task_graphs.write_task_graphs(place, export.quantization, folder)
    with code_folder(task.kind) as package:
        task_graphs.write_code(package, folder, BASELINE in task.members)
    measured = [measuring.sizes(sorted(place.rglob("*.safetensors")), folder)]
    settings, examples, data = _examples(store, export.run_id, config)
    if settings is not None:
        both = load_predictor(place, "cpu"), task_graphs.exported_predictor(place, folder)
        measured = measuring.compare_predictors(settings, *both, examples) + measured
    usage = f"{USAGE['task']}\n{task_graphs.describe_graph(task.kind)}\n"
    return replace(export, difference=worst, measured=measured, measured_on=data), usage


def _examples(
    store: Store, run_id: str, config: Config
) -> tuple[TaskConfig | None, list[Any], str]:
    """Return the task of a model and its test examples, if they are here, and what was measured."""
    from textmill.exporting.measuring import MAX_EXAMPLES
    from textmill.registry.tested_examples import evaluated_task
    from textmill.tasks.kinds import examples_of
    from textmill.tracking.events import find_sample
    from textmill.tracking.raw_data import with_sample

    if config.sample is not None and (sample := find_sample(store, config.sample)) is not None:
        config = with_sample(config, str(sample))
    try:
        task = evaluated_task(store, run_id, config)
        examples = examples_of(task.kind).read_examples(task, "test")[:MAX_EXAMPLES]
    except (InputError, RunError) as error:
        return None, [], f"no test examples: {str(error).removesuffix('.')}"
    return task, examples, f"{len(examples):,} test examples"


def _find_model(store: Store, words: str, config: Config) -> tuple[str, CurrentModel]:
    """Return a model, and its name: `backbone` or that of its task."""
    if words == BACKBONE:
        return words, current_model(config, PRETRAIN)
    names = [task.name for task in config.tasks]
    if words in names:
        return words, current_model(config, FINETUNE, words)
    try:
        run = find_run(store, words, ("step",))
    except InputError:
        problem = unknown_name("model", words, [BACKBONE, *names])
        raise InputError(
            f"{problem[0].upper()}{problem[1:]} Or give the run of a training."
        ) from None
    step = run.data.tags.get(STEP_TAG)
    if step not in (PRETRAIN.name, FINETUNE.name):
        raise InputError(
            f"The run {words} is that of the step {step}, and has no model: give that of a "
            f"{PRETRAIN.name} or {FINETUNE.name}."
        )
    name = BACKBONE if step == PRETRAIN.name else run.data.tags["textmill.task"]
    return name, CurrentModel(run.info.run_id, None, output_folder(store, run))


def _checked_quantization(request: ExportRequest) -> str:
    known = QUANTIZATIONS[request.form]
    if request.quantization is not None and request.quantization not in known:
        raise InputError(
            f"--to {request.form} has no --quantization {request.quantization}: it has "
            f"{' and '.join(known)}."
        )
    return request.quantization or known[0]


def _require_packages(form: str) -> None:
    for package in PACKAGES[form]:
        if find_spec(package) is None:
            raise InputError(
                f"textmill export --to {form} needs {package}, which is not installed: "
                "pip install textmill[export]."
            )
