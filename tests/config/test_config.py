"""Specifies which values a configuration may hold, and what is said about the others."""

from __future__ import annotations

from typing import Any, get_args

import annotated_types
import pytest
from pydantic import BaseModel, ValidationError

from textmill import config as definitions
from textmill.compose import compose
from textmill.config import (
    Config,
    CorpusConfig,
    ModelConfig,
    OpenModelConfig,
    PretrainConfig,
    Settings,
    flatten,
)

GROUPS = [
    value
    for value in vars(definitions).values()
    if isinstance(value, type) and issubclass(value, Settings)
]
NUMBERS = [
    (group, name)
    for group in GROUPS
    for name, field in group.model_fields.items()
    if {int, float} & {field.annotation, *get_args(field.annotation)} and name != "seed"
]
SOURCE = {"name": "books", "path": "books.txt"}
TASK = {"name": "topic", "kind": "classification", "train": "a.csv", "test": "b.csv"}


def whole(**settings: Any) -> Config:
    return Config.model_validate({"corpus": {"sources": [SOURCE]}} | settings)


def sections(value: BaseModel) -> list[BaseModel]:
    inner = [getattr(value, name) for name in type(value).model_fields]
    flat = [item for part in inner for item in (part if isinstance(part, tuple) else (part,))]
    return [value, *(s for part in flat if isinstance(part, BaseModel) for s in sections(part))]


@pytest.mark.parametrize("group", GROUPS)
def test_an_unknown_key_is_refused(group: type[Settings]) -> None:
    with pytest.raises(ValidationError) as caught:
        group.model_validate({"no_such_key": 1})
    problems = {(error["type"], error["loc"]) for error in caught.value.errors()}
    assert ("extra_forbidden", ("no_such_key",)) in problems


def test_no_value_of_any_section_can_be_changed() -> None:
    found = sections(whole(tasks=[TASK], sample={}))
    assert {type(section) for section in found} >= {Config, CorpusConfig, OpenModelConfig}
    for section in found:
        name = next(iter(type(section).model_fields))
        with pytest.raises(ValidationError, match="frozen"):
            setattr(section, name, getattr(section, name))


@pytest.mark.parametrize(("group", "name"), NUMBERS, ids=str)
def test_every_number_has_a_lower_bound(group: type[Settings], name: str) -> None:
    kinds = {type(constraint) for constraint in group.model_fields[name].metadata}
    assert kinds & {annotated_types.Gt, annotated_types.Ge}


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("model", {"n_layer": 0}),
        ("model", {"n_embd": -4}),
        ("model", {"block_size": 1}),
        ("model", {"dropout": 1.0}),
        ("model", {"activation": "tanh"}),
        ("model", {"n_layer": "many"}),
        ("tokenizer", {"vocab_size": 256}),
        ("pretrain", {"learning_rate": 0}),
        ("pretrain", {"objective": "wishful"}),
        ("pretrain", {"precision": "64"}),
        ("finetune", {"epochs": 0}),
        ("finetune", {"attention": "none"}),
        ("cluster", {"max_parallel_tasks": 0}),
        ("tracking", {"mlflow_port": 65536}),
        ("tracking", {"mode": "0077"}),
        ("tracking", {"mode": 7770}),
    ],
    ids=str,
)
def test_a_value_outside_its_range_is_refused_at_its_key(
    section: str, values: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError) as caught:
        whole(**{section: values})
    assert [error["loc"] for error in caught.value.errors()] == [(section, *values)]


@pytest.mark.parametrize(
    ("n_embd", "n_head", "fits"), [(65, 4, 68), (7, 16, 16), (100, 12, 108), (257, 2, 258)]
)
def test_a_width_that_heads_do_not_divide_names_the_next_one_that_they_do(
    n_embd: int, n_head: int, fits: int
) -> None:
    problem = f"n_embd={n_embd} is not a multiple of n_head={n_head}: set n_embd to {fits},"
    with pytest.raises(ValidationError, match=problem):
        ModelConfig(n_embd=n_embd, n_head=n_head, position="learned")
    ModelConfig(n_embd=fits, n_head=n_head, position="learned")


def test_rotary_positions_need_an_even_head_width() -> None:
    with pytest.raises(ValidationError, match="n_embd/n_head is 3: .* set position=learned"):
        ModelConfig(n_embd=12, n_head=4, position="rotary")
    ModelConfig(n_embd=12, n_head=4, position="learned")


@pytest.mark.parametrize("warmup_steps", [10, 11])
def test_warmup_ends_before_training_does(warmup_steps: int) -> None:
    problem = f"warmup_steps={warmup_steps} is not below max_steps=10: set warmup_steps below"
    with pytest.raises(ValidationError, match=problem):
        PretrainConfig(warmup_steps=warmup_steps, max_steps=10)
    assert PretrainConfig(warmup_steps=9, max_steps=10).warmup_steps == 9


@pytest.mark.parametrize(("share", "rows"), [(0.01, 32), (0.99, 32), (0.5, 1)])
def test_both_halves_of_the_hybrid_objective_have_rows(share: float, rows: int) -> None:
    with pytest.raises(ValidationError, match="leaves one part of objective=hybrid without a row"):
        PretrainConfig(objective="hybrid", masked_share=share, micro_batch_size=rows)
    assert PretrainConfig(masked_share=share, micro_batch_size=rows).objective == "causal"


@pytest.mark.parametrize("place", [{}, {"path": "a.txt", "hub": "imdb"}], ids=["none", "both"])
def test_a_source_has_either_a_path_or_a_hub_id(place: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="source 'books' needs a path or a hub id"):
        whole(corpus={"sources": [{"name": "books"} | place]})


@pytest.mark.parametrize("name", ["latin-99", "", "rot13", "base64", "idna", "utf-8\x00", "koi8"])
def test_an_encoding_that_nobody_knows_is_refused_with_some_that_are_known(name: str) -> None:
    with pytest.raises(ValidationError, match="unknown encoding .*use auto.*gb18030"):
        whole(corpus={"sources": [SOURCE | {"encoding": name}]})
    with pytest.raises(ValidationError, match="unknown encoding"):
        whole(tasks=[TASK | {"encoding": name}])


def test_names_of_one_encoding_are_one_setting() -> None:
    names = ("windows-1252", "CP1252", "utf8", "UTF-8-SIG", "auto", "utf_16_le")
    found = [whole(corpus={"sources": [SOURCE | {"encoding": name}]}) for name in names]
    assert [config.corpus.sources[0].encoding for config in found] == [
        *("cp1252", "cp1252", "utf-8", "utf-8", "auto", "utf-16-le"),
    ]


def test_sources_are_told_apart_by_name() -> None:
    with pytest.raises(ValidationError, match="two sources are named 'books'"):
        whole(corpus={"sources": [SOURCE, SOURCE]})


def sources(*weights: float | None) -> dict[str, Any]:
    """A corpus of as many sources."""
    return {"sources": [SOURCE | {"name": f"s{n}", "weight": w} for n, w in enumerate(weights)]}


def test_weights_are_those_of_the_sources_that_have_one() -> None:
    assert whole(corpus=sources(None, 0.2, 0)).source_weights == {"s1": 0.2, "s2": 0}
    assert whole(corpus=sources(3, 5)).source_weights == {"s0": 3, "s1": 5}


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        (
            (None, 0.6, None, 0.4),
            "sum to 1, which leaves nothing for s0, s2: lower their sum below 1",
        ),
        ((2.0, None), "sum to 2, which leaves nothing for s1"),
        ((0.0, 0.0), "every source has weight 0: set one above 0"),
    ],
)
def test_weights_leave_something_to_train_on(
    weights: tuple[float | None, ...], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        whole(corpus=sources(*weights))


OWN = {"task_texts": {"enabled": True}}


def test_the_texts_of_tasks_have_a_weight_together() -> None:
    own = {"task_texts": {"enabled": True, "weight": 0.3}}
    assert whole(corpus=sources(None) | own, tasks=[TASK]).source_weights == {"task:": 0.3}
    assert whole(corpus=sources(None) | own).source_weights == {}
    with pytest.raises(ValidationError, match=r"sum to 1, which leaves nothing for s1: lower"):
        whole(corpus=sources(0.7, None) | own, tasks=[TASK])
    problem = r"nothing for corpus\.task_texts: .* for every source, and corpus\.task_texts\.weight"
    with pytest.raises(ValidationError, match=problem):
        whole(corpus=sources(1.0) | OWN, tasks=[TASK])
    assert whole(corpus=sources(1.0) | OWN).source_weights == {"s0": 1}


@pytest.mark.parametrize(
    ("enabled", "tasks", "own", "is_decontaminated"),
    [
        (None, [TASK], True, True),
        (None, [TASK], False, False),
        (None, [], True, False),
        (False, [TASK], True, False),
        (True, [TASK], False, True),
    ],
)
def test_the_corpus_is_decontaminated_where_it_has_the_texts_of_tasks(
    enabled: bool | None, tasks: list[Any], own: bool, is_decontaminated: bool
) -> None:
    corpus = {"decontamination": {"enabled": enabled}, "task_texts": {"enabled": own}}
    config = whole(corpus={"sources": [SOURCE]} | corpus, tasks=tasks)
    assert config.corpus.decontamination.enabled is is_decontaminated


def test_a_corpus_is_of_sources_or_of_the_texts_of_tasks() -> None:
    assert whole(corpus=OWN, tasks=[TASK]).corpus.sources == ()
    for corpus, tasks in (({}, [TASK]), (OWN, [])):
        with pytest.raises(ValidationError, match=r"corpus\.sources is empty: add a source, or a"):
            whole(corpus=corpus, tasks=tasks)


def test_the_names_of_the_texts_of_tasks_are_reserved() -> None:
    with pytest.raises(ValidationError, match="'task:topic' is reserved .* rename the source"):
        whole(corpus={"sources": [SOURCE | {"name": "task:topic"}]})


@pytest.mark.parametrize("overlap", [64, 65])
def test_an_overlap_leaves_room_for_targets(overlap: int) -> None:
    problem = rf"pretrain\.overlap={overlap} leaves no target .* model\.block_size=64 tokens: set"
    with pytest.raises(ValidationError, match=problem):
        whole(model={"block_size": 64}, pretrain={"overlap": overlap})
    whole(model={"block_size": 64}, pretrain={"overlap": 63})


@pytest.mark.parametrize("name", ["lm", "backbone", "baseline"])
def test_no_task_is_called_as_other_scores_or_models_are(name: str) -> None:
    task = {"kind": "tagging", "name": name, "train": "a.jsonl", "test": "b.jsonl"}
    with pytest.raises(ValidationError, match=f"the name '{name}' is reserved"):
        whole(tasks=[task])


def test_tasks_are_redacted_by_the_switch_of_the_corpus() -> None:
    corpus = {"sources": [SOURCE], "redaction": {"kinds": ["email"]}}
    config = whole(corpus=corpus, tasks=[TASK])
    assert config.tasks[0].redaction == config.corpus.redaction
    assert config.tasks[0].redaction.kinds == ("email",)
    assert Config.model_validate(config.model_dump()) == config
    with pytest.raises(
        ValidationError, match=r"tasks.topic.redaction differs from corpus.redaction"
    ):
        whole(corpus=corpus, tasks=[TASK | {"redaction": {"enabled": False}}])


def test_tasks_are_told_apart_by_name() -> None:
    with pytest.raises(ValidationError, match="two tasks are named 'topic'"):
        whole(tasks=[TASK, TASK])


@pytest.mark.parametrize("name", ["", "Topic", "1st", "a b", "a/b", "a.b", "../x"])
def test_a_task_name_serves_in_commands_and_folders(name: str) -> None:
    with pytest.raises(ValidationError) as caught:
        whole(tasks=[TASK | {"name": name}])
    assert [error["type"] for error in caught.value.errors()] == ["string_pattern_mismatch"]


def test_flatten_names_nested_values_with_dots() -> None:
    values = {"a": 1, "b": {"c": {"d": [1, 2]}}, "s": [{"name": "x", "v": 3}], "none": []}
    assert flatten(values) == {
        "a": 1,
        "b.c.d": [1, 2],
        "s.x.name": "x",
        "s.x.v": 3,
        "none": [],
    }


def test_a_kind_of_task_has_its_own_learning_rate_unless_one_is_set() -> None:
    def rates(*overrides: str) -> dict[str, float]:
        tasks = "tasks=[topic, ner, translation]"
        config = compose("benchmark", [tasks, "data_root=x", *overrides])
        return {task.name: task.finetune.learning_rate for task in config.tasks}

    assert rates() == {"topic": 1e-3, "ner": 1e-3, "translation": 2e-3}
    assert {*rates("finetune.learning_rate=5e-4").values()} == {5e-4}
    assert rates("tasks.translation.finetune.learning_rate=1e-4")["translation"] == 1e-4


def test_all_text_of_the_multilingual_configuration_has_one_of_four_languages() -> None:
    config = compose("multilingual", ["data_root=x"])
    tags = [source.language for source in config.corpus.sources]
    tags += [tag for task in config.tasks for tag in task.text_languages]
    assert {*tags} == {"de", "en", "fr", "zh"}
    assert config.pretrain.language_alpha is not None
