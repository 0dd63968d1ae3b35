"""Specifies how conf/, a user's file and overrides become one configuration, or one message."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.composed import *  # noqa: F403  # the fixtures, by its __all__
from tests.composed import BASE, OWN_TASK, message, write
from textmill import hardware
from textmill.compose import CONF, compose, config_names, restore_config
from textmill.config import kind_of
from textmill.errors import InputError, listed
from textmill.locations import TEST_FILES, known_test_files

FILES = sorted(CONF.rglob("*.yaml"))
OPTIONS = [(file.parent.name, file.stem) for file in FILES if file.parent != CONF]
DATA = (*TEST_FILES, "recipe", "task")  # folders of conf/ that are no groups
CHOICES = [option for option in OPTIONS if option[0] not in DATA]
TASKS = [name for group, name in OPTIONS if group == "task"]
NEEDS = {
    ("model", "auto"): ["budget_minutes=1"],
    ("tokenizer", "byte"): ["tokenizer.vocab_size=270"],  # the demo has a size of its own
    ("corpus", "default"): ["corpus.sources=[{name: books, path: books.txt}]"],
    ("config", "gpu"): ["corpus.sources=[{name: books, path: books.txt}]"],
}
CHOSEN_BY_TASKS: dict[tuple[str, str], Any] = {
    ("corpus", "default"): {"decontamination": {"enabled": True}},
}
CHOSEN_HERE = {"accelerator", "precision"}  # auto becomes what this machine has
LOCATIONS = {"sources", "home", "train", "test", "validation"}


def stated(file: Path, *without: str) -> dict[str, Any]:
    """What a file says itself, but for locations and choices of this machine."""
    values = OmegaConf.to_container(OmegaConf.load(file))
    assert isinstance(values, dict)
    dropped = {"defaults", *LOCATIONS, *CHOSEN_HERE, *without}
    return {
        str(key): value
        for key, value in values.items()
        if key not in dropped and not str(value).startswith("${")
    }


def plain(config: Any) -> dict[str, Any]:
    dumped: dict[str, Any] = config.model_dump(mode="json")
    return dumped


def with_stated(section: Any, said: Any) -> Any:
    """Return a section with what a file says of it, at whatever depth, in its place."""
    if not (isinstance(section, dict) and isinstance(said, dict)):
        return said
    return section | {key: with_stated(section.get(key), value) for key, value in said.items()}


def test_every_file_of_conf_is_composed_by_these_tests() -> None:
    assert {file.relative_to(CONF).as_posix() for file in FILES} == {
        "base.yaml",
        *(f"{name}.yaml" for name in config_names()),
        *(f"{group}/{name}.yaml" for group, name in CHOICES),
        *(f"task/{name}.yaml" for name in TASKS),
        *(f"{setting}/{name}.yaml" for setting in TEST_FILES for name in known_test_files(setting)),
        *(f"recipe/{name}.yaml" for group, name in OPTIONS if group == "recipe"),
    }


SET_BY_KIND = {"attention", "learning_rate"}
"""Settings of fine-tuning whose default depends on the kind of task."""


@pytest.mark.parametrize("name", config_names())
def test_every_whole_configuration_says_what_its_file_says(name: str) -> None:
    config = compose(name, ["data_root=data", *NEEDS.get(("config", name), [])])
    said = stated(CONF / f"{name}.yaml", "tasks", "data_root")
    for key, value in said.items():
        section = plain(config)[key]
        assert section == with_stated(section, value), key


@pytest.mark.parametrize(("group", "option"), CHOICES, ids="=".join)
def test_every_option_of_every_group_says_what_its_file_says(group: str, option: str) -> None:
    needs = NEEDS.get((group, option), [])
    config = compose("demo", [f"{group}={option}", "data_root=data", *needs])
    demo = OmegaConf.load(CONF / "demo.yaml").get(group) or {}
    said = stated(CONF / group / f"{option}.yaml", *demo)
    said = with_stated(said, CHOSEN_BY_TASKS.get((group, option), {}))
    section = plain(config)[group]
    assert section == with_stated(section, said)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_says_what_its_file_says(name: str) -> None:
    (task,) = compose("demo", [f"tasks=[{name}]", "data_root=data"]).tasks
    said = stated(CONF / "task" / f"{name}.yaml")
    own = said.pop("finetune", {})
    said["kind"] = kind_of(said)  # a classification with labels is of a kind of its own
    assert plain(task) == plain(task) | said
    fields = type(task.finetune).model_fields
    of_kind = {name: fields[name].default for name in SET_BY_KIND}
    assert plain(task.finetune) == plain(compose("demo").finetune) | of_kind | own


def test_a_users_file_on_base_has_the_values_of_base(there: Path) -> None:
    config = plain(compose(write(there)))
    # A space of its own replaces the default one, with which Hydra would merge it if it were there.
    del config["sweep"]["space"]
    for key, value in stated(CONF / "base.yaml", "finetune").items():
        assert config[key] == value
    finetune = stated(CONF / "base.yaml")["finetune"]
    # What this machine costs is said of the cluster.
    not_stated = CHOSEN_HERE | SET_BY_KIND | {"price_per_hour", "watts"}
    assert config["finetune"] == {**finetune, **{k: config["finetune"][k] for k in not_stated}}


@pytest.mark.parametrize("name", config_names())
def test_composing_twice_gives_equal_configurations(name: str) -> None:
    given = ["data_root=data", *NEEDS.get(("config", name), [])]
    assert compose(name, given) == compose(name, given)


def test_a_configuration_does_not_depend_on_the_working_folder(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(there, BASE + "data_root: data\ntasks: [topic]\n")
    write(tmp_path / "here" / "model", "n_layer: 99\n", "modern-5m.yaml")
    write(tmp_path / "here", "tasks: []\n", "demo.yaml")
    composed = []
    for folder in (tmp_path / "here", Path("/")):
        monkeypatch.chdir(folder)
        composed.append([compose(file, ["tracking.home=/runs"]), compose("demo").model])
    assert composed[0] == composed[1]


def test_auto_is_replaced_by_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "best_accelerator", lambda: "cuda")
    monkeypatch.setattr(hardware, "best_precision", lambda accelerator: f"best of {accelerator}")
    config = compose("demo", ["tasks.topic.finetune.accelerator=cpu", "pretrain.precision='32'"])
    optimizations = [config.pretrain, config.finetune, *(task.finetune for task in config.tasks)]
    assert [(o.accelerator, o.precision) for o in optimizations] == [
        ("cuda", "32"),
        ("cuda", "best of cuda"),
        ("cpu", "best of cpu"),
        ("cuda", "best of cuda"),
        ("cuda", "best of cuda"),
        ("cuda", "best of cuda"),
    ]


def test_overrides_lie_over_groups_and_groups_over_base() -> None:
    config = compose("demo", ["model.n_layer=7", "model=gpt2-tiny", "+generation.seed=5"])
    assert (config.model.n_layer, config.model.position) == (7, "learned")
    assert config.generation.seed == 5
    assert compose("demo", ["pretrain={max_steps: 77}"]).pretrain.max_steps == 77
    assert compose("demo", ["pretrain={max_steps: 77}"]).pretrain.warmup_steps == 30


def test_text_with_commas_and_blanks_can_be_quoted() -> None:
    config = compose("demo", ["experiment='a, b'", "generation.prompts=['The end','a, b ']"])
    assert config.experiment == "a, b"
    assert config.generation.prompts == ("The end", "a, b ")


def test_a_section_that_is_off_in_base_can_be_set_key_by_key(there: Path) -> None:
    config = compose(write(there), ["sample.n_documents=500"])
    assert config.sample is not None
    assert (config.sample.n_documents, config.sample.n_train) == (500, 2000)


def test_a_users_file_selects_groups_of_conf_and_its_own(there: Path) -> None:
    defaults = "defaults: [base, {override model: gpt2-tiny}, {override pretrain: brief}, _self_]\n"
    write(there / "pretrain", "defaults: [causal]\nmax_steps: 120\n", "brief.yaml")
    write(there / "tokenizer", "vocab_size: 999\n", "small.yaml")
    file = write(there, defaults + BASE.split("\n", 1)[1])
    config = compose(file, ["tokenizer=small"])
    assert config.model.position == "learned"
    assert (config.pretrain.max_steps, config.pretrain.warmup_steps) == (120, None)
    assert config.tokenizer.vocab_size == 999
    assert compose(file, ["model=modern-1m"]).model.n_embd == 128


def test_a_users_file_can_build_on_a_whole_configuration(there: Path) -> None:
    config = compose(write(there, "defaults: [demo, _self_]\nexperiment: mine\n"))
    assert config.experiment == "mine"
    assert config.model_copy(update={"experiment": "demo"}) == compose("demo")


@pytest.mark.parametrize("folder", ["with spaces", "a,b", "it's", "x=[1]", "ümlaut", "tasks"])
def test_a_users_file_may_lie_in_a_folder_of_any_name(there: Path, folder: str) -> None:
    file = write(there / folder, name="my own.yaml")
    write(there / folder / "tasks", "", "train.csv")
    (source,) = compose(file, ["tasks=[]"]).corpus.sources
    assert source.path == str(there / folder / "text/*.txt")


def test_the_package_may_lie_in_a_folder_of_any_name(
    there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(CONF, tmp_path / "it's a,b" / "conf")
    expected = compose(write(there))
    monkeypatch.setattr("textmill.compose.CONF", copy)
    assert compose(write(there)) == expected


def test_one_task_is_changed_by_its_name() -> None:
    tasks = "tasks=[sample-topic,sample-sentiment,sample-ner]"
    changes = ["tasks.sentiment.finetune.epochs=9", "tasks.topic.train=a.csv"]
    config = compose("demo", [tasks, *changes])
    here = Path.cwd() / "a.csv"
    assert [(task.train == str(here), task.finetune.epochs) for task in config.tasks] == [
        (True, 3),
        (False, 9),
        (False, 3),
    ]


def test_a_tasks_own_finetune_section_lies_over_the_shared_one(there: Path) -> None:
    write(there / "task", OWN_TASK + "finetune: {epochs: 5, dropout: 0.3}\n", "own.yaml")
    file = write(there, BASE + "tasks: [own]\nfinetune: {epochs: 7, label_smoothing: 0.2}\n")
    (task,) = compose(file, ["finetune.dropout=0.4", "finetune.seed=8"]).tasks
    tuned = task.finetune
    assert (tuned.epochs, tuned.dropout, tuned.label_smoothing, tuned.seed) == (5, 0.3, 0.2, 8)
    (task,) = compose(file, ["tasks.own.finetune.epochs=6"]).tasks
    assert (task.finetune.epochs, task.finetune.dropout) == (6, 0.3)


def test_a_tasks_own_curve_section_lies_over_the_shared_one() -> None:
    changes = ["curve.seeds=5", "tasks.topic.curve.labels=[50,60]"]
    topic, other, *_ = compose("demo", changes).tasks
    assert (topic.curve.labels, topic.curve.seeds) == ((50, 60), 5)
    assert (other.curve.labels, other.curve.seeds) == ((100, 500, 2000), 5)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("curve.labels=[500,100]", r"curve: labels=\[500, 100\] must increase: write \[100, 500\]"),
        ("tasks.topic.curve.labels=[9,9]", r"tasks.topic.curve: labels=\[9, 9\] must increase"),
        ("curve.labels=[1,100]", r"curve.labels.0=1: .*greater than or equal to 2"),
        ("curve.seeds=0", r"curve.seeds=0: .*greater than or equal to 1"),
    ],
)
def test_sizes_of_a_curve_increase(override: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compose("demo", [override])


def test_a_users_own_task_comes_first_and_is_listed(there: Path) -> None:
    write(there / "task", OWN_TASK, "topic.yaml")
    write(there / "task", OWN_TASK, "own.yaml")
    file = write(there, BASE + "tasks: [topic]\n")
    assert [task.name for task in compose(file).tasks] == ["own"]
    known = listed(sorted([*TASKS, "own"]))
    problem = "tasks: there is no task 'owm'; did you mean 'own'? choose one of"
    assert message(file, "tasks=[owm]") == f"{problem} {known}."


def test_results_go_to_the_working_folder(here: Path, there: Path) -> None:
    assert compose(write(there)).tracking.home == str(here / "mlruns")


@pytest.fixture
def earlier(there: Path) -> Path:
    """The folder of an earlier model, of sizes that no preset has."""
    from textmill.config import ModelConfig
    from textmill.model import GPT, save

    folder = there / "earlier"
    folder.mkdir()
    save(GPT(ModelConfig(n_layer=1, n_head=3, n_embd=24, block_size=48, vocab_size=99)), folder)
    return folder


def test_sizes_and_tokenizer_are_those_of_the_initial_model(there: Path, earlier: Path) -> None:
    file = write(there, BASE + "pretrain: {init_from: earlier}\n")
    config = compose(file)
    assert config.pretrain.init_from == config.tokenizer.init_from == str(earlier)
    model = config.model
    assert (model.n_layer, model.n_head, model.n_embd, model.block_size) == (1, 3, 24, 48)
    assert model.vocab_size is None
    config = compose(file, ["tokenizer.vocab_size=4096", "model.block_size=32"])
    assert config.tokenizer.init_from is None
    assert config.model.block_size == 32
    compose(file, ["budget_minutes=null", "pretrain.max_steps=0"])


def test_an_initial_model_of_other_sizes_is_named_before_anything_runs(earlier: Path) -> None:
    problem = message("demo", f"pretrain.init_from={earlier}")
    assert "n_layer=1, not model.n_layer=4: set model.n_layer=1, or model=auto" in problem


def test_settings_that_do_not_fit_the_initial_model_are_named_before_anything_runs(
    earlier: Path,
) -> None:
    words = "model=auto", f"pretrain.init_from={earlier}"
    for setting, problem in (
        ("pretrain.overlap=48", "overlap=48 leaves no target in a block of model.block_size=48"),
        ("audit.enabled=true", "do not fit into model.block_size=48"),
    ):
        assert problem in message("demo", *words, setting)


def test_an_initial_model_without_weights_is_named_before_anything_runs(earlier: Path) -> None:
    (earlier / "model.safetensors").rename(earlier / "pytorch_model.bin")
    problem = message("demo", "model=auto", f"pretrain.init_from={earlier}")
    assert "pytorch_model.bin is a pickle, which may execute code" in problem


def test_no_steps_need_an_initial_model() -> None:
    assert "set pretrain.init_from, or more steps" in message("demo", "pretrain.max_steps=0")


def test_a_configuration_of_before_is_read_as_it_was_recorded() -> None:
    values = compose().model_dump(mode="json")
    values["tracking"]["uri"] = "postgresql://ann:MARK@h/db"
    uri = restore_config(values, "of a run").tracking.uri
    assert uri is not None
    assert uri.get_secret_value() == "postgresql://ann:MARK@h/db"
