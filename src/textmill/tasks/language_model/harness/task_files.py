"""The tasks of lm-eval: those of the package, and YAML files of a folder that run no code."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lm_eval
import yaml
from jinja2 import TemplateError
from jinja2.sandbox import SandboxedEnvironment
from lm_eval import utils
from lm_eval.api.registry import metric_registry
from lm_eval.tasks import TaskManager

from textmill.errors import InputError, listed
from textmill.tasks.language_model.harness.adapter import decoding_of

PACKAGE = Path(lm_eval.__file__).parent
FUNCTION_TAG = "!function"
CODE_KEYS = ("class", "custom_dataset")
"""Keys of a task that name Python code."""
CODE_SWITCHES = ("hf_evaluate", "unsafe_code", "trust_remote_code")
"""Keys that allow code of the hub, or of a model's answers, to run."""
PICKLED_DATA = ("pandas",)
"""Loaders of `datasets` that read pickles, which may execute code."""
LOCAL_FILES = (
    "To use local files, describe the task in a YAML file with dataset_path: json and "
    "dataset_kwargs: {data_files: {test: FILE.jsonl}}, and give its folder: --include FOLDER."
)


class Tasks(TaskManager):  # type: ignore[misc]
    """The tasks of lm-eval by name, and those of a folder, which come first.

    Args:
        include: a folder of YAML files; None: only the tasks of the package.
        names: the tasks to evaluate. Those of the package are read only if one is not in the
            folder, as there are 14,000.
        trusts_code: whether the folder's files may name code to run.

    Raises:
        InputError: the folder does not exist, a file in it names code, or a task does not exist.
    """

    def __init__(
        self, include: Path | None, names: Sequence[str], trusts_code: bool = False
    ) -> None:
        folder = None if include is None else _checked_folder(include, trusts_code)
        _sandbox_templates()
        if folder is not None:
            super().__init__(include_path=str(folder), include_defaults=False)
        if folder is None or not {*names} <= {*self.all_tasks}:
            super().__init__(include_path=None if folder is None else str(folder))
        known = {*self.all_tasks}
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=3)
                hint = f"did you mean {listed(close)}?" if close else "lm-eval ls tasks lists all."
                raise InputError(f"--harness: there is no task {name!r} of lm-eval; {hint}")

    def load(self, task_list: Any) -> Any:
        """Return tasks, groups and members of groups, as in the base class.

        Raises:
            InputError: a task is invalid, needs a missing package, or has unsupported settings of
                generation; or its data cannot be read.
        """
        loaded: dict[str, dict[str, Any]] = {}
        for name in task_list:
            try:
                parts = super().load([name])
            except InputError:
                raise
            except ImportError as error:
                needed = f"the package {error.name}" if error.name else "a package"
                raise InputError(
                    f"--harness: the task {name} needs {needed}, which is not installed "
                    f"({' '.join(str(error).split())[:500]}): install it with pip; lm-eval has "
                    "extras with the packages of its tasks, such as lm_eval[ifeval]."
                ) from None
            except Exception as error:  # of any library that reads data
                is_of_file = isinstance(error, TemplateError | LookupError | TypeError | ValueError)
                fix = "Correct the task's file or its data." if is_of_file else LOCAL_FILES
                reason = " ".join(str(error).split()) or type(error).__name__
                raise InputError(
                    f"--harness: the task {name} cannot be loaded: {reason[:500]}. {fix}"
                ) from None
            for part, values in parts.items():
                loaded.setdefault(part, {}).update(values)
        for name, task in loaded["tasks"].items():
            if task.get_config("output_type") == "generate_until":
                decoding_of(task.get_config("generation_kwargs") or {}, name)
            for metric, function in getattr(task, "_metric_fn_list", {}).items():
                if function is None and task.config.process_results is None:
                    raise InputError(
                        f"--harness: the task {name} has an unknown metric, {metric!r}: correct "
                        "its metric_list."
                    )
        return loaded


def _checked_folder(folder: Path, trusts_code: bool) -> Path:
    """Return the absolute path of a folder of task files.

    Raises:
        InputError: it does not exist, has no task, or a file in it names code to run.
    """
    folder = folder.resolve()
    files = sorted(folder.rglob("*.yaml"))
    if not files:
        what = "has no *.yaml file" if folder.is_dir() else "is not a folder"
        raise InputError(f"--include {folder} {what}: give a folder of task files of lm-eval.")
    if not trusts_code:
        _reject_code(files, folder)
    return folder


def _reject_code(files: Sequence[Path], folder: Path) -> None:
    """Raise InputError if task files, or files that they include, name code to run.

    Included files may have any name; those of lm-eval's package are trusted.
    """
    # Resolved, as in lm-eval: what a link includes lies beside the file that it points to.
    pending, seen = [file.resolve() for file in files], set[Path]()
    while pending:
        file = pending.pop(0)
        if file in seen or file.is_relative_to(PACKAGE):
            continue
        seen.add(file)
        try:
            root = yaml.compose(file.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
            nodes = [*_nodes(root)]
        except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
            raise InputError(f"{file} cannot be read: {' '.join(str(error).split())}.") from None
        for reason in _code_in(nodes, file, folder):
            raise InputError(
                f"{file} {reason}, and code runs only if it is trusted: read it, and add "
                "--trust-code."
            )
        pending += _included(nodes, file)


def _code_in(nodes: Sequence[yaml.Node], file: Path, folder: Path) -> Iterator[str]:
    """Yield what makes a task file run code."""
    for node in nodes:
        if node.tag == FUNCTION_TAG:
            yield f"calls the function {node.value}"
    for key, scalars in _entries(nodes):
        yield from _code_in_entry(key, scalars)
    for place in _included(nodes, file):
        if not place.is_relative_to(folder) and not place.is_relative_to(PACKAGE):
            yield f"includes {place}, outside of the folder"


def _included(nodes: Sequence[yaml.Node], file: Path) -> list[Path]:
    """Return the files that a task file includes."""
    names = [name for key, scalars in _entries(nodes) if key == "include" for name in scalars]
    return [(file.parent / name).resolve() for name in names]


def _entries(nodes: Sequence[yaml.Node]) -> Iterator[tuple[str, list[str]]]:
    """Yield the keys of mappings with the single values below them, in lists or not."""
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                scalars = [one.value for one in _nodes(value) if isinstance(one, yaml.ScalarNode)]
                yield str(key.value), scalars


def _code_in_entry(key: str, scalars: Sequence[str]) -> Iterator[str]:
    if key in CODE_KEYS:
        yield f"names code ({key}: {scalars[0] if scalars else ''})"
    elif key in CODE_SWITCHES and scalars and scalars[0].lower() not in ("false", "no", "off"):
        yield f"lets code run ({key}: {scalars[0]})"
    elif key == "dataset_path" and {*scalars} & {*PICKLED_DATA}:
        yield f"reads pickles (dataset_path: {scalars[0]})"
    elif key == "metric" and not {*scalars} <= metric_registry.keys():
        yield f"loads a metric of the hub ({scalars[0]})"


def _nodes(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Yield a node of YAML and all below it, each once: aliases may repeat or even nest them."""
    pending, seen = [] if root is None else [root], set[int]()
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if isinstance(node, yaml.MappingNode):
            pending += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            pending += node.value


def _sandbox_templates() -> None:
    """Replace lm-eval's environment of templates, in which a task's prompt could call any code."""
    plain = utils.env
    sandboxed = SandboxedEnvironment(
        loader=plain.loader,
        undefined=plain.undefined,
        keep_trailing_newline=plain.keep_trailing_newline,
    )
    sandboxed.filters.update(plain.filters)
    utils.env = sandboxed
