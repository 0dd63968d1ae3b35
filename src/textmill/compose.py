"""Composition of conf/, a user's file and overrides by Hydra into one validated Config."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Quote, QuotedString, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import GrammarParseError, MissingMandatoryValue, OmegaConfBaseException
from yaml import YAMLError

import textmill_conf
from textmill import hardware
from textmill.config import Config, kind_of
from textmill.config.extensions import load
from textmill.config.masked import Hidden, has_secrets, mark_secrets, models_in, secrets_in
from textmill.config.problems import validate, validate_copy
from textmill.errors import InputError, listed
from textmill.files import has_undecodable_bytes, printable
from textmill.locations import LABELLING, TEST_FILES, anchor, anchored
from textmill.secrets import HIDDEN, redact_urls

CONF = Path(textmill_conf.__file__).resolve().parent
"""conf/ in a checkout, to which src/textmill_conf is a link; textmill_conf in a wheel."""
SECTIONS_OF_TASKS = ("finetune", "curve", "sweep")
"""Sections with defaults for those of every task."""


def compose(config: str = "demo", overrides: Sequence[str] = ()) -> Config:
    """Return the configuration of that name or file, with the overrides applied.

    Args:
        config: name of a file in conf/, or path of a YAML file.
        overrides: `key=value` in Hydra's grammar; `tasks.NAME.key=value` changes one task.

    Raises:
        InputError: a file, key or value is unknown; the message names it and the fix.
    """
    folder, name = _find(config)
    choices, settings, task_settings = _split(overrides)
    values = _compose(folder, name, choices)
    for key, value in settings:
        _set(values, key, anchored(key, value))
    _expand_tasks(values, folder, task_settings)
    try:
        # Any: `validate` checks the keys and types.
        resolved: Any = OmegaConf.to_container(values, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise InputError(_explain_omegaconf_error(error)) from None
    anchor(resolved, folder if folder != CONF else Path.cwd())
    _reject_undecodable_bytes(resolved)
    _fill_in_extensions(resolved)
    written = OmegaConf.to_container(values, resolve=False)
    chosen = _choose_devices(validate(mark_secrets(Config, resolved, written), config))
    if chosen.pretrain.init_from is not None:
        from textmill.training.initial import with_initial_shape  # loads torch

        chosen = validate_copy(with_initial_shape(chosen), config)
    return chosen


def restore_config(
    values: Mapping[str, Any], name: str, instead: Mapping[str, Any] | None = None
) -> Config:
    """Return recorded values as a Config, with references of secrets resolved again.

    Args:
        values: the recorded values.
        name: name of the configuration, for messages.
        instead: sections that replace the recorded ones.

    Raises:
        InputError: a value is invalid, or an environment variable is not set.
    """
    anew = dict(instead or {})
    values = {key: value for key, value in values.items() if key not in anew}
    load(values.get("extensions") or ())
    marked: dict[str, Any] = mark_secrets(Config, values)
    if any("${" in secret.written for secret in secrets_in(marked)):
        try:
            plain = OmegaConf.create(_for_omegaconf(marked))
            marked = mark_secrets(Config, OmegaConf.to_container(plain, resolve=True), values)
        except OmegaConfBaseException as error:
            raise InputError(
                f"The configuration {name} cannot be used: {_explain_omegaconf_error(error)} "
                f"Set it, or add {re.split('[.[]', error.full_key or name)[0]}=… to the command."
            ) from None
    return validate(marked | anew, name)


def redact_override(override: str) -> str:
    """Return an override without credentials, to record and show."""
    key, _, text = override.partition("=")
    section = Config.model_fields.get(re.split(r"[.@=]", override.lstrip("+~"))[0])
    if section is None or not any(map(has_secrets, models_in(section.annotation))):
        return redact_urls(override)
    parsed = _parse(override)
    if parsed is None:
        return f"{key}={HIDDEN}"
    value: Any = parsed.value()
    if parsed.key_or_group in _groups() and isinstance(value, str | list):
        return redact_urls(override)
    for part in reversed(parsed.key_or_group.split(".")):
        value = [value] if part.isdigit() else {part: value}
    for secret in secrets_in(mark_secrets(Config, value)):
        if secret.written not in text:
            return f"{key}={HIDDEN}"  # quoted differently
        text = text.replace(secret.written, str(secret))
    return redact_urls(f"{key}={text}")


def config_names() -> list[str]:
    """Return the names of the complete configurations in conf/."""
    return sorted(file.stem for file in CONF.glob("*.yaml") if file.stem != "base")


def _reject_undecodable_bytes(values: Any, key: str = "") -> None:
    """Raise InputError if a value has undecodable bytes, as names of files may have."""
    if isinstance(values, str) and has_undecodable_bytes(values):
        raise InputError(
            f"{key}={printable(values)} is not text in this terminal's encoding, "
            f"{sys.getfilesystemencoding()}: rename the file or folder, or set PYTHONUTF8=1 if its "
            "name is UTF-8."
        )
    if isinstance(values, dict | list):
        for name, value in values.items() if isinstance(values, dict) else enumerate(values):
            _reject_undecodable_bytes(value, f"{key}.{name}" if key else str(name))


def _find(config: str) -> tuple[Path, str]:
    """Return the folder of a configuration file and its name without suffix."""
    if config in config_names():
        return CONF, config
    file = Path(config).expanduser()
    if file.suffix != ".yaml":
        raise InputError(
            f"There is no configuration {config!r}: use one of {listed(config_names())}, "
            "or the path of a .yaml file."
        )
    if not file.is_file():
        raise InputError(f"The configuration file {file} does not exist: correct the path.")
    return file.resolve().parent, file.stem


Settings = list[tuple[str, Any]]
TaskSettings = list[tuple[str, str, Any]]


def _split(overrides: Sequence[str]) -> tuple[list[str], Settings, TaskSettings]:
    """Return the group choices, the settings, and the settings of single tasks."""
    groups = _groups()
    choices: list[str] = []
    settings: Settings = []
    task_settings: TaskSettings = []
    for override in overrides:
        parsed = _parse(override)
        if parsed is None:
            raise InputError(
                f"The override {redact_override(override)!r} cannot be parsed: write key=value, "
                "write lists as key=[a,b], and quote values with special characters, such as "
                "key='\"a, b\"'."
            )
        key, value = parsed.key_or_group, parsed.value()
        if key in groups and isinstance(value, str | list):
            choices.append(override)
        elif match := re.fullmatch(r"tasks\.([^.]+)\.(.+)", key):
            task_settings.append((match[1], match[2], value))
        else:
            # Hydra would treat a folder named `tasks` beside the user's file as a group.
            settings.append((key, value))
    return choices, settings, task_settings


def _parse(override: str) -> Override | None:
    """Return an override as parsed by Hydra, or None if it is not key=value."""
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException:
        return None
    return parsed if parsed.key_or_group and parsed.value_type == ValueType.ELEMENT else None


def _groups() -> set[str]:
    """Return the groups of conf/."""
    return {path.name for path in CONF.iterdir() if path.is_dir()} & set(Config.model_fields)


def _compose(folder: Path, name: str, choices: Sequence[str]) -> DictConfig:
    file = folder / f"{name}.yaml"
    searchpath = QuotedString(f"file://{CONF}", Quote.single).with_quotes()
    more = [] if folder == CONF else [f"hydra.searchpath=[{searchpath}]"]
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(folder), version_base="1.3"):
            return hydra_compose(name, overrides=[*more, *choices])
    except YAMLError as error:
        raise InputError(f"{file} is not valid YAML: {error}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}, or a file that it names, is not UTF-8: {error}.") from None
    except RecursionError:
        raise InputError(
            f"{file}: its defaults form a cycle. Their names are looked up in {folder} first: "
            "rename the file there."
        ) from None
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_explain_hydra_error(error, file)) from None


def _set(values: DictConfig, key: str, value: Any) -> None:
    try:
        OmegaConf.update(values, key, value, force_add=True)
    except (OmegaConfBaseException, IndexError, ValueError):
        raise InputError(
            f"{key} cannot be set to this value: there is no such entry, or it is a list."
        ) from None


def _explain_hydra_error(error: Exception, file: Path) -> str:
    """Return Hydra's message without its advice, which does not apply here."""
    text = str(error)
    if match := re.search(r"Could not find '([^'/]+)/([^']+)'", text):
        options = _options(match[1], file.parent)
        return f"{match[1]}={match[2]}: {unknown_name(match[1], match[2], options)}"
    if match := re.search(r"Could not override '(\w+)", text):
        return f"{file} has no {match[1]} in its defaults to override: add base to its defaults."
    if "must be a DictConfig" in text:
        return f"{file} must be a mapping of settings: write key: value."
    if "Cannot merge" in text:
        return (
            f"{file}: a list is used where a mapping is expected, or a mapping for a list: fix it."
        )
    return f"{file}: {text.split('Config search path')[0].strip()}"


def _options(group: str, folder: Path) -> list[str]:
    files = [*(CONF / group).glob("*.yaml"), *(folder / group).glob("*.yaml")]
    return sorted({file.stem for file in files})


def _explain_omegaconf_error(error: OmegaConfBaseException) -> str:
    """Return a message that names the key that has no value."""
    key = error.full_key or ""
    if "data_root" in str(error):
        return "data_root is not set: add data_root=FOLDER, the folder of the data."
    if isinstance(error, GrammarParseError):
        return f"{key}: its reference ${{…}} cannot be parsed: write ${{oc.env:NAME}}."
    if match := re.search(r"Environment variable '([^']*)' not found", str(error)):
        return f"{key}: the environment variable {match[1]} is not set."
    if isinstance(error, MissingMandatoryValue):
        return f"{key} is not set: add it to the configuration, or {key}=VALUE to the command."
    return f"{key}: {str(error).splitlines()[0]}."


def _expand_tasks(values: DictConfig, folder: Path, task_settings: TaskSettings) -> None:
    """Replace task names by the files of conf/task/, and apply the settings of single tasks."""
    tasks = values.get("tasks") or []
    if not isinstance(tasks, ListConfig | list):
        raise InputError("tasks must be a list: write tasks=[NAME,NAME].")
    expanded = [_read_task(t, folder) if isinstance(t, str) else t for t in tasks]
    for task in expanded:
        if not isinstance(task, DictConfig):
            raise InputError(
                f"tasks: {task!r} is neither the name of a task nor a mapping: write one of them."
            )
    with open_dict(values):
        # Assigned to the root, so that ${data_root} in a task's file is resolved there.
        values.tasks = expanded
        names = [str(task.get("name")) for task in values.tasks]
        # The hub first: it decides whether `train` and the other splits are paths.
        for name, key, value in sorted(task_settings, key=lambda setting: setting[1] != "hub"):
            if name not in names:
                raise InputError(f"tasks.{name}.{key}: {unknown_name('task', name, names)}")
            task = values.tasks[names.index(name)]
            is_file = key in TEST_FILES or key.split(".")[0] in LABELLING
            is_split = task.get("hub") and not is_file
            _set(task, key, value if is_split else anchored(key, value))
        for task in values.tasks:
            for name in SECTIONS_OF_TASKS:
                sections = [s for s in (values.get(name), task.get(name)) if s is not None]
                if sections and all(isinstance(section, DictConfig) for section in sections):
                    task[name] = OmegaConf.merge(*sections)


def _read_task(name: str, folder: Path) -> Any:
    for file in (folder / "task" / f"{name}.yaml", CONF / "task" / f"{name}.yaml"):
        if file.is_file():
            try:
                return OmegaConf.load(file)
            except YAMLError as error:
                raise InputError(f"{file} is not valid YAML: {error}") from None
    raise InputError(f"tasks: {unknown_name('task', name, _options('task', folder))}")


def unknown_name(what: str, name: str, known: Sequence[str]) -> str:
    """Return a message for an unknown name, with the closest known name and all others."""
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"there is no {what} {name!r}; {hint}choose one of {listed(known) or '(none)'}."


def _fill_in_extensions(values: dict[str, Any]) -> None:
    """Import extensions, and list those with filters and metrics in the sections that use them."""
    extensions = load(values.get("extensions") or ())
    if isinstance(corpus := values.get("corpus"), dict):
        filters = [e.name for e in extensions if hasattr(e.module, "FILTERS")]
        _fill_in(corpus, "corpus", "filters", filters)
    for task in values.get("tasks") or ():
        kind = kind_of(task)
        metrics = [e.name for e in extensions if kind in getattr(e.module, "METRICS", ())]
        _fill_in(task, f"tasks.{task.get('name')}", "metrics", metrics)


def _fill_in(section: dict[str, Any], where: str, key: str, names: list[str]) -> None:
    """Set a key whose value is derived from `extensions`.

    Raises:
        InputError: it is set already.
    """
    if key in section:
        raise InputError(
            f"{where}.{key} is filled in from extensions: remove it, and name the files that "
            f"define {key} under extensions."
        )
    if names:
        section[key] = names


def _for_omegaconf(values: Any) -> Any:
    """Return values for OmegaConf in which only the references of secrets are resolved."""
    if isinstance(values, dict):
        return {key: _for_omegaconf(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_for_omegaconf(value) for value in values]
    if isinstance(values, Hidden):
        return values.written
    if isinstance(values, str):
        return re.sub(r"(\\*)\$\{", lambda match: rf"{match[1] * 2}\${{", values)
    return values


def _choose_devices(config: Config) -> Config:
    """Replace `auto` by the devices of this machine: they change results, so they are recorded."""

    def chosen(settings: Any) -> Any:
        accelerator = settings.accelerator
        if accelerator == "auto":
            accelerator = hardware.best_accelerator()
        precision = settings.precision
        if precision == "auto":
            precision = hardware.best_precision(accelerator)
        return settings.model_copy(update={"accelerator": accelerator, "precision": precision})

    tasks = tuple(
        task.model_copy(update={"finetune": chosen(task.finetune)}) for task in config.tasks
    )
    return config.model_copy(
        update={
            "pretrain": chosen(config.pretrain),
            "finetune": chosen(config.finetune),
            "tasks": tasks,
        }
    )
