"""Specifies configurations that are refused: one message, which quotes no secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.composed import *  # noqa: F403  # the fixtures, by its __all__  # noqa: F403  # the fixtures, by its __all__
from tests.composed import BASE, message, write
from textmill.compose import compose, config_names, redact_override, restore_config
from textmill.config import TrackingConfig
from textmill.errors import InputError

SECRETS = """
tracking: {uri: "postgresql://ann:${oc.env:PW}@h/db"}
notify:
  - {event: failed, command: 'tell --token ${oc.env:PW} ${experiment}'}
  - {event: failed, command: tell MARK-literal}
"""


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


def test_an_empty_path_is_refused_and_not_taken_for_the_folder() -> None:
    with pytest.raises(InputError, match=r"corpus\.sources.*path"):
        compose("demo", ["corpus.sources=[{name: a, path: ''}]"])


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


@pytest.mark.parametrize(
    ("setting", "metric", "what"),
    [
        ("behaviour", "behaviour/mean", "behaviour tests"),
        ("bias", "bias/max_difference", "bias report"),
    ],
)
def test_floors_of_tests_need_them(there: Path, setting: str, metric: str, what: str) -> None:
    task = "{name: own, kind: classification, train: a.csv, test: b.csv}"
    floors = f"promotion: {{floors: {{own: {{{metric}: 0.9}}}}}}\n"
    file = write(there, f"{BASE}tasks: [{task}]\n{floors}")
    expected = f"promotion.floors.own.{metric}: the task has no {what}: set tasks.own.{setting}"
    assert expected in message(file)
    assert getattr(compose(file, [f"tasks.own.{setting}=mine.yaml"]).tasks[0], setting) is not None


def test_maxima_of_the_audit_need_its_scores() -> None:
    def floors(task: str, metric: str, *overrides: str) -> str:
        return message("demo", f"promotion.floors={{{task}: {{{metric}: 4}}}}", *overrides)

    expected = "promotion.floors.lm.audit/exposure/1: there is no audit: set audit.enabled=true"
    assert expected in floors("lm", "audit/exposure/1")
    expected = "promotion.floors.topic.audit/exposure/1: only lm has scores of the audit"
    assert expected in floors("topic", "audit/exposure/1", "audit.enabled=true")
    expected = "the audit has no such score: use one of audit/exposure/2, audit/extracted/2"
    changed = ("audit.enabled=true", "audit.repetitions=[2]")
    assert expected in floors("lm", "audit/exposure/1", *changed)
    own = "promotion.floors={lm: {audit/exposure/2: 4, audit/verbatim/excess: 0.1}}"
    assert compose("demo", [own, *changed]).audit.repetitions == (2,)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "audit.templates=['It is {secret}.']",
            "audit.templates.0: the template 'It is",
        ),
        ("audit.templates=['{secret} of {name}']", "must have {name} and after it {secret}"),
        ("audit.templates=['{name}: {secret']", "must have {name} and after it {secret}"),
        ("audit.templates=['{name}: {secret:x}']", "must have {name} and after it {secret}"),
        ("audit.repetitions=[4, 4]", "audit: repetitions=4, 4 has a number twice"),
        ("audit.canaries=200 audit.digits=3", "audit: digits=3 has 1,000 secrets, too few for 600"),
        ("audit.repetitions=[0]", "audit.repetitions.0=0: input should be greater than 0"),
        ("audit.prompt_tokens=200 audit.enabled=true", "do not fit into model.block_size="),
    ],
)
def test_an_impossible_audit_is_named(override: str, expected: str) -> None:
    overrides = override.split(" audit.")
    first, *others = overrides
    assert expected in message("demo", first, *(f"audit.{other}" for other in others))
