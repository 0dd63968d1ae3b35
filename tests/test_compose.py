"""Specifies how conf/, a user's file and overrides become one configuration, or one message."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from textmill import hardware
from textmill.compose import CONF, compose, config_names, redact_override, restore_config
from textmill.config import TrackingConfig, kind_of
from textmill.errors import InputError, listed

FILES = sorted(CONF.rglob("*.yaml"))
OPTIONS = [(file.parent.name, file.stem) for file in FILES if file.parent != CONF]
CHOICES = [option for option in OPTIONS if option[0] != "task"]
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
BASE = "defaults: [base, _self_]\ncorpus: {sources: [{name: books, path: text/*.txt}]}\n"
OWN_TASK = "name: own\nkind: classification\ntrain: own/train.csv\ntest: own/test.csv\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which holds nothing."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """The folder of a user's file."""
    folder = tmp_path / "there"
    folder.mkdir()
    return folder


def write(folder: Path, text: str = BASE, name: str = "my.yaml") -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def message(config: str, *overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        compose(config, overrides)
    return str(caught.value)


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


@pytest.mark.parametrize("text", ["- a\n", "just text\n", ""])
def test_a_file_of_another_form_is_refused_by_name(there: Path, text: str) -> None:
    file = write(there, text)
    assert file in message(file)


def test_a_list_in_place_of_settings_names_the_file(there: Path) -> None:
    file = write(there, BASE + "model: [1]\n")
    assert file in message(file)


@pytest.mark.parametrize(
    ("text", "line"),
    [(BASE + "a: b: c\n", 3), (BASE + "model:\n\tn_layer: 3\n", 4), (BASE + BASE, 3)],
    ids=["colons", "tab", "same key twice"],
)
def test_broken_yaml_names_file_and_line(there: Path, text: str, line: int) -> None:
    file = write(there, text)
    assert re.search(rf'is not valid YAML.*"{file}", line {line}, column', message(file), re.S)


def test_broken_yaml_of_a_task_names_its_file_and_line(there: Path) -> None:
    write(there / "task", "name: own\nkind: [\n", "own.yaml")
    problem = message(write(there, BASE + "tasks: [own]\n"))
    assert re.search(rf'is not valid YAML.*"{there}/task/own.yaml", line 3', problem, re.S)


def test_a_file_that_is_not_utf8_is_named(there: Path) -> None:
    file = Path(write(there))
    file.write_bytes(file.read_bytes() + "experiment: é\n".encode("latin-1"))
    assert re.match(rf"{file}.* is not UTF-8", message(str(file)))


def test_a_file_whose_defaults_name_itself_says_so(there: Path) -> None:
    file = write(there, name="base.yaml")
    assert f"{file}: its defaults form a cycle" in message(file)


def test_a_missing_file_is_named(there: Path) -> None:
    assert message(f"{there}/no.yaml") == (
        f"The configuration file {there}/no.yaml does not exist: correct the path."
    )


@pytest.mark.parametrize("name", ["no", "base", "", "my.yml", "model/gpt2-tiny"])
def test_an_unknown_configuration_lists_those_that_there_are(name: str) -> None:
    known = ", ".join(config_names())
    assert f"no configuration {name!r}: use one of {known}, or the path" in message(name)


def test_an_unknown_option_in_a_users_file_lists_its_own_ones_too(there: Path) -> None:
    write(there / "model", "n_layer: 3\n", "mine.yaml")
    file = write(there, "defaults: [base, {override model: mime}, _self_]\n")
    assert message(file).startswith(
        "model=mime: there is no model 'mime'; did you mean 'mine'? choose one of auto, gpt2-"
    )


def test_missing_data_root_says_how_to_set_it(there: Path) -> None:
    expected = "data_root is not set: add data_root=FOLDER, the folder of the data."
    assert message("benchmark") == expected
    assert message(write(there), "tasks=[topic]") == expected


def test_missing_sources_are_named(there: Path) -> None:
    problem = message(write(there, "defaults: [base, _self_]\n"))
    assert "corpus.sources is empty: add a source, or a task whose training texts" in problem


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


def test_the_two_files_of_a_translation_task_are_both_paths(there: Path) -> None:
    files = "train: en.txt, train_target: de.txt, test: /t.en, test_target: ../t.de"
    file = write(there, BASE + f"tasks: [{{name: de, kind: translation, {files}}}]\n")
    (task,) = compose(file).tasks
    places = [task.train, task.train_target, task.test, task.test_target]
    assert places == [f"{there}/en.txt", f"{there}/de.txt", "/t.en", f"{there}/../t.de"]
    assert task.finetune.attention == "causal"


def test_paths_in_a_users_file_are_relative_to_it(there: Path) -> None:
    write(there / "task", OWN_TASK, "own.yaml")
    inline = "{name: far, kind: classification, train: ../a.csv, test: /b.csv, validation: c.csv}"
    file = write(there, BASE + f"data_root: data\ntasks: [own, {inline}, topic]\n")
    config = compose(file)
    assert config.corpus.sources[0].path == f"{there}/text/*.txt"
    assert config.data_root == f"{there}/data"
    assert [(task.train, task.test, task.validation) for task in config.tasks] == [
        (f"{there}/own/train.csv", f"{there}/own/test.csv", None),
        (f"{there}/../a.csv", "/b.csv", f"{there}/c.csv"),
        (f"{there}/data/ag_news/train.jsonl.gz", f"{there}/data/ag_news/test.jsonl.gz", None),
    ]


@pytest.mark.parametrize(
    "override",
    [
        "corpus.sources.0.path=x.txt",
        "corpus.sources=[{name: books, path: x.txt}]",
        "corpus={sources: [{name: books, path: x.txt}]}",
        "tasks=[{name: own, kind: classification, train: x.txt, test: y.csv}]",
        "tasks.own.train=x.txt",
        "data_root=x.txt",
        "tracking.home=x.txt",
    ],
)
def test_paths_on_the_command_line_are_relative_to_the_working_folder(
    here: Path, there: Path, override: str
) -> None:
    config = compose(
        write(there, BASE + f"tasks: [{{{OWN_TASK.replace(chr(10), ', ')}}}]"), [override]
    )
    places = [config.corpus.sources[0].path, config.tasks[0].train, config.data_root]
    assert [*places, config.tracking.home].count(str(here / "x.txt")) == 1


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


def test_an_initial_model_without_weights_is_named_before_anything_runs(earlier: Path) -> None:
    (earlier / "model.safetensors").rename(earlier / "pytorch_model.bin")
    problem = message("demo", "model=auto", f"pretrain.init_from={earlier}")
    assert "pytorch_model.bin is a pickle, which may execute code" in problem


def test_no_steps_need_an_initial_model() -> None:
    assert "set pretrain.init_from, or more steps" in message("demo", "pretrain.max_steps=0")


def test_splits_of_hub_data_are_not_paths(there: Path) -> None:
    hub = "{name: h, hub: imdb, kind: classification, train: 'train[:9%]', test: test}"
    file = write(there, BASE + f"tasks: [{hub}]\n")
    for overrides in ([], [f"tasks=[{hub}]"], ["tasks.h.test=test", "tasks.h.hub=imdb"]):
        (task,) = compose(file, overrides).tasks
        assert (task.train, task.test) == ("train[:9%]", "test")


def test_an_empty_path_is_refused_and_not_taken_for_the_folder() -> None:
    with pytest.raises(InputError, match=r"corpus\.sources.*path"):
        compose("demo", ["corpus.sources=[{name: a, path: ''}]"])


def test_paths_into_the_sample_data_are_left_alone() -> None:
    config = compose("demo")
    assert config.tasks[0].train == "sample:topic/train.jsonl"
    assert config.corpus.sources[0].path == "sample:text/articles.jsonl.gz"


def test_a_task_can_be_moved_to_the_hub_in_any_order(there: Path) -> None:
    write(there / "task", OWN_TASK, "own.yaml")
    file = write(there, BASE + "tasks: [own]\n")
    moves = ["tasks.own.train=train", "tasks.own.test=test", "tasks.own.hub=imdb"]
    for overrides in (moves, moves[::-1]):
        (task,) = compose(file, overrides).tasks
        assert (task.hub, task.train, task.test) == ("imdb", "train", "test")


SECRETS = """
tracking: {uri: "postgresql://ann:${oc.env:PW}@h/db"}
notify:
  - {event: failed, command: 'tell --token ${oc.env:PW} ${experiment}'}
  - {event: failed, command: tell MARK-literal}
"""


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PW", "MARK")


@pytest.mark.usefixtures("password")
def test_secrets_are_recorded_as_they_are_written_and_looked_up_again(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    escaped = "generation: {prompts: ['\\${x}']}\n"
    config = compose(write(there, BASE + SECRETS + escaped), ["cluster.address=${oc.env:PW}:1"])
    assert config.tracking.uri is not None
    assert config.tracking.uri.get_secret_value() == "postgresql://ann:MARK@h/db"
    recorded = config.model_dump(mode="json")
    assert "MARK" not in str(recorded)
    assert recorded["tracking"]["uri"] == "postgresql://ann:${oc.env:PW}@h/db"
    assert recorded["cluster"]["address"] == "${oc.env:PW}:1"
    assert [entry["command"] for entry in recorded["notify"]] == [
        "tell --token ${oc.env:PW} ${experiment}",
        "tell ***",
    ]
    monkeypatch.setenv("PW", "later")
    revived = restore_config(recorded, "of a run")
    assert revived.generation.prompts == config.generation.prompts == ("${x}",)
    used = [entry.command.get_secret_value() for entry in revived.notify if entry.command]
    assert used == ["tell --token later textmill", "tell ***"]
    assert revived.model_dump(mode="json") == recorded


@pytest.mark.usefixtures("password")
def test_a_variable_that_is_gone_is_named_unless_it_is_needed_no_more(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = compose(write(there, BASE + SECRETS))
    monkeypatch.delenv("PW")
    recorded = config.model_dump(mode="json")
    with pytest.raises(InputError, match=r"tracking\.uri: the environment variable PW is not set"):
        restore_config(recorded, "of a run")
    anew = {"tracking": TrackingConfig(), "notify": ()}
    assert restore_config(recorded, "of a run", anew).tracking == TrackingConfig()


def test_a_configuration_of_before_is_read_as_it_was_recorded() -> None:
    values = compose().model_dump(mode="json")
    values["tracking"]["uri"] = "postgresql://ann:MARK@h/db"
    uri = restore_config(values, "of a run").tracking.uri
    assert uri is not None
    assert uri.get_secret_value() == "postgresql://ann:MARK@h/db"


@pytest.mark.parametrize(
    ("override", "shown"),
    [
        ("pretrain.max_steps=2", "pretrain.max_steps=2"),
        ("cluster=ray", "cluster=ray"),
        ("tracking.uri=http://ann:MARK@h", "tracking.uri=http://***@h"),
        ("+tracking.uri='http://h?key=MARK'", "+tracking.uri='http://h?key=***'"),
        ("tracking.uri=${oc.env:URI}", "tracking.uri=${oc.env:URI}"),
        ("tracking={uri: 'http://ann:MARK@h'}", "tracking={uri: 'http://***@h'}"),
        ("notify.0.command='tell MARK'", "notify.0.command='tell ***'"),
        (
            "notify=[{event: failed, command: 'tell MARK'}]",
            "notify=[{event: failed, command: 'tell ***'}]",
        ),
        (
            "notify=[{event: failed, command: 'tell ${oc.env:T}', block: a/MARK}]",
            "notify=[{event: failed, command: 'tell ${oc.env:T}', block: a/***}]",
        ),
        (r"notify=[{command: 'tell \'MARK'}]", "notify=***"),
        ("notify=[{command: 'tell MARK]", "notify=***"),
        ("notify=choice(MARK)", "notify=***"),
        ("corpus.sources=[{path: 'http://a:MARK@h'}]", "corpus.sources=[{path: 'http://***@h'}]"),
    ],
)
def test_an_override_is_recorded_without_credentials(override: str, shown: str) -> None:
    assert redact_override(override) == shown


@pytest.mark.parametrize(
    "override",
    [
        "notify=[{event: failed, command: 'tell MARK]",
        "notify=[{event: failed, block: MARK}]",
        "notify=[{event: failed, block: slack-webhook/a/MARK}]",
        "notify=[{event: failed, comand: tell MARK}]",
        "notify=['tell MARK']",
        "notify=[['tell', 'MARK']]",
        "notify='tell MARK'",
        "tracking={url: MARK}",
        "tracking.uri=[MARK]",
        "tracking.uri='${oc.env:NOT_SET,${MARK'",
        "tracking=http://ann:MARK@h",
        "pretrain.max_steps='http://ann:MARK@h'",
        "http://ann:MARK@h",
    ],
)
def test_no_message_about_a_setting_quotes_a_secret(override: str) -> None:
    assert "MARK" not in message("demo", override)
