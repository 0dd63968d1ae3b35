"""Specifies tagging: words over subword tokens, valid tags, entities with character offsets."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter
from torch import Tensor

from tests.tasks.conftest import QUICK, predictor_of, tune, write_rows
from textmill import model as models
from textmill.corpus.tokens.tokenizer import END_ID, load_tokenizer
from textmill.errors import InputError
from textmill.files import read_json
from textmill.tasks.ensemble.predictor import Predictor, load_predictor
from textmill.tasks.evaluate import evaluate
from textmill.tasks.tagging.examples import Example, Spec, check_examples, make_spec, read_examples
from textmill.tasks.tagging.iob2 import best_tags, spans
from textmill.tasks.tagging.network import (
    SPELLING_SCALE,
    Tagger,
    build,
    collate,
    encode,
    loss,
)
from textmill.tasks.tagging.settings import TaggingConfig
from textmill.tasks.tagging.spelling import spelling_rows
from textmill.training.word_windows import OVERLAP

SPEC = Spec(("O", "B-PER", "I-PER"), False, 512, has_crf=True)
NAMES = ["Ann", "Bob", "Cid", "Dora"]
OTHERS = ["sleeps", "runs", "reads", "in", "the", "garden", "today"]


def make_config(folder: Path) -> TaggingConfig:
    return TaggingConfig.model_validate(
        {
            "kind": "tagging",
            "name": "ner",
            "train": str(folder / "train.jsonl"),
            "test": str(folder / "test.jsonl"),
            "finetune": QUICK | {"epochs": 15, "micro_batch_size": 8},
        }
    )


def toy_rows(n: int, seed: int) -> list[dict[str, list[str]]]:
    """One or two names, each of one or two words, among other words."""
    rng = random.Random(seed)
    rows = []
    for _ in range(n):
        tokens, tags = [], []
        for _ in range(rng.randint(1, 2)):
            n_words = rng.randint(1, 2)
            tokens += rng.choices(NAMES, k=n_words)
            tags += ["B-PER", "I-PER"][:n_words]
            others = rng.choices(OTHERS, k=rng.randint(1, 3))
            tokens += others
            tags += ["O"] * len(others)
        rows.append({"tokens": tokens, "ner_tags": tags})
    return rows


@pytest.fixture
def network(backbone: Path) -> Tagger:
    torch.manual_seed(1)
    return build(models.load(backbone), SPEC, 0.0, False).eval()


@pytest.fixture(scope="module")
def tuned(backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TaggingConfig, Path]:
    folder, out = tmp_path_factory.mktemp("toy"), tmp_path_factory.mktemp("model")
    write_rows(folder / "train.jsonl", toy_rows(120, seed=1))
    write_rows(folder / "test.jsonl", toy_rows(40, seed=2))
    config = make_config(folder)
    tune(config, backbone, out, tmp_path_factory.mktemp("work"))
    return config, out


def test_numbers_of_tags_get_the_names_of_the_configuration(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [{"tokens": ["a", "b", "c"], "ner_tags": [1, 2, 0]}])
    names = ("O", "B-PER", "I-PER")
    config = make_config(tmp_path).model_copy(update={"label_names": names})
    (example,) = read_examples(config, "train")
    assert example.tags == ("B-PER", "I-PER", "O")


def test_types_that_differ_in_white_space_alone_are_one(tmp_path: Path) -> None:
    tags = ["B-PER", "I-PER ", "B- PER", "O ", "B-New  York"]
    write_rows(tmp_path / "train.jsonl", [{"tokens": list("abcde"), "ner_tags": tags}])
    rows = read_examples(make_config(tmp_path), "train")
    assert rows[0].tags == ("B-PER", "I-PER", "B-PER", "O", "B-New York")
    assert rows.normalized == {
        "I-PER ": "I-PER",
        "B- PER": "B-PER",
        "B-New  York": "B-New York",
    }


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"tokens": ["a", "b"], "ner_tags": ["O"]}, "2 words in column 'tokens', but 1 tags"),
        ({"tokens": ["a", "b"], "ner_tags": ["O", "I-PER"]}, "entity begins with B-PER"),
        ({"tokens": "a b", "ner_tags": ["O"]}, "'tokens' holds no list"),
        (
            {"tokens": ["a", 3], "ner_tags": ["O", "O"]},
            "'tokens' holds an entry that is not a string",
        ),
        (
            {"tokens": ["a"], "ner_tags": [[]]},
            r"'ner_tags' holds an entry that is not a string: \[\]",
        ),
        ({"tokens": ["a"], "ner_tags": "O"}, "'ner_tags' holds no list of strings: 'O' is of type"),
        (
            {"tokens": ["a"], "ner_tags": [0]},
            r"'ner_tags' holds numbers, such as 0, .*tasks.ner.label_names=\[O,B-PER,I-PER",
        ),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: dict[str, Any], named: str) -> None:
    write_rows(tmp_path / "train.jsonl", [{"tokens": ["x"], "ner_tags": ["B-PER"]}, row])
    with pytest.raises(InputError, match=rf"train.jsonl:2: .*{named}"):
        read_examples(make_config(tmp_path), "train")


def test_the_spec_holds_both_tags_of_every_type(tmp_path: Path) -> None:
    rows = [Example(("a", "bc"), ("B-PER", "B-LOC"), ""), Example(("d",), ("O",), "")]
    spec = make_spec(make_config(tmp_path), rows)
    assert spec.labels == ("O", "B-LOC", "I-LOC", "B-PER", "I-PER")
    assert not spec.is_by_character
    by_character = make_spec(make_config(tmp_path), [Example(("王", "三"), ("B-PER", "I-PER"), "")])
    assert by_character.is_by_character


def test_examples_without_an_entity_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="tasks.ner: the training examples have no entities"):
        make_spec(make_config(tmp_path), [Example(("a",), ("O",), "")])


def test_a_type_that_training_lacks_is_named_with_its_place(tmp_path: Path) -> None:
    odd = Example(("Rome",), ("B-LOC",), "test.jsonl:7")
    with pytest.raises(InputError, match=r"test.jsonl:7: the entity type 'LOC' .*which has PER"):
        check_examples(make_config(tmp_path), SPEC, [odd])


def test_the_tokens_of_the_words_are_those_of_the_running_text(backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    words = ("The", "lovely", "room", ".")
    (encoded,) = encode(tokenizer, SPEC, [Example(words, ("O", "B-PER", "I-PER", "O"), "")], 48)
    ((ids, owners),) = encoded.windows
    assert encoded.ids == ids == [END_ID, *tokenizer.encode("The lovely room .").ids]
    assert encoded.labels == [0, 1, 2, 0]
    assert not encoded.is_cut
    for number, word in enumerate(words):
        of_word = [i for i, owner in zip(ids, owners, strict=True) if owner == number]
        assert tokenizer.decode(of_word).strip() == word


def test_a_word_is_the_mean_of_its_tokens_beside_its_spelling(
    network: Tagger, backbone: Path
) -> None:
    tokenizer = load_tokenizer(backbone)
    assert network.spelling is not None
    torch.nn.init.normal_(network.spelling.weight)
    examples = [Example(("x",), ("O",), ""), Example(("Unheardof", "y"), ("B-PER", "O"), "")]
    batch = collate(encode(tokenizer, SPEC, examples, 48))
    assert batch["labels"].tolist() == [0, 1, 0]
    assert batch["lengths"].tolist() == [1, 2]
    hidden = network.backbone.hidden(batch["input_ids"], batch["documents"], is_causal=False)
    of_word = hidden[1][batch["words"][1] == 1]
    assert len(of_word) > 1
    rows = torch.from_numpy(spelling_rows(examples[1].words, False, 512))[0].long()
    spelling = SPELLING_SCALE * network.spelling.weight[rows].sum(dim=0)
    expected = network.head(torch.cat([of_word.mean(dim=0), spelling]))
    torch.testing.assert_close(network(batch)[1], expected)


def test_an_older_model_has_neither_spelling_nor_transitions(backbone: Path) -> None:
    spec = TypeAdapter(Spec).validate_python({"labels": ["O", "B-PER"], "is_by_character": False})
    older = build(models.load(backbone), spec, 0.0, False).eval()
    assert not [name for name in older.state_dict() if "spelling" in name or "crf" in name]
    assert older.head.in_features == 16
    (answer,) = predictor_of("tagging", older, load_tokenizer(backbone), spec)(["Ann runs"])
    assert "entities" in answer


def test_padding_does_not_change_the_loss(network: Tagger, backbone: Path) -> None:
    tokenizer = load_tokenizer(backbone)
    examples = encode(
        tokenizer,
        SPEC,
        [
            Example(("Ann", "runs"), ("B-PER", "O"), ""),
            Example(("the", "cat", "sees", "Bob"), ("O", "O", "O", "B-PER"), ""),
        ],
        48,
    )
    apart = [loss(network, collate([e]), 0.0) * len(e.labels) for e in examples]
    torch.testing.assert_close(loss(network, collate(examples), 0.0), sum(apart) / 6)


@pytest.mark.parametrize("seed", range(20))
def test_every_word_belongs_to_one_window_with_context_on_both_sides(
    backbone: Path, seed: int
) -> None:
    """Also words longer than a window, which alone are truncated."""
    rng = random.Random(seed)
    block_size = rng.choice([8, 24, 48])
    words = tuple("x" * rng.choice([1, 2, 5, 30, 100]) for _ in range(rng.randint(1, 150)))
    tokenizer = load_tokenizer(backbone)
    (encoded,) = encode(tokenizer, SPEC, [Example(words, ("O",) * len(words), "")], block_size)
    seen: list[int] = []
    for ids, owners in encoded.windows:
        assert len(ids) == len(owners) <= block_size
        assert (ids[0], owners[0]) == (END_ID, -1)
        own = [owner for owner in owners if owner >= 0]
        for word in dict.fromkeys(own):
            of_word = [i for i, owner in zip(ids, owners, strict=True) if owner == word]
            form = f" {words[word]}" if word else words[word]
            assert of_word == tokenizer.encode(form).ids[: block_size - 1]
        assert owners.index(own[0]) - 1 <= OVERLAP * block_size
        seen += dict.fromkeys(own)
    assert seen == list(range(len(words)))


def test_adjacent_windows_share_words(backbone: Path) -> None:
    words = ("x",) * 100
    example = Example(words, ("O",) * 100, "")
    (encoded,) = encode(load_tokenizer(backbone), SPEC, [example], 48)
    (_, first), (ids, second), *_ = encoded.windows
    shared = int(OVERLAP * 48)
    assert first[1:].count(-1) + second[1:].count(-1) >= shared
    assert second[1] == -1 != second[len(ids) // 2]


@pytest.mark.parametrize("is_by_character", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_no_entity_is_lost_or_doubled_at_a_seam(
    network: Tagger, backbone: Path, seed: int, is_by_character: bool
) -> None:
    """A network that reads only the spelling has the same answer in windows of any length."""
    rng = random.Random(seed)
    spec = Spec(SPEC.labels, is_by_character, 512)
    network.crf = None
    network.head.weight.data[:, :16] = 0.0
    assert network.spelling is not None
    torch.nn.init.normal_(network.spelling.weight, generator=torch.Generator().manual_seed(seed))
    names = "abcdefgh" if is_by_character else [*NAMES, *OTHERS]
    words = rng.choices(names, k=rng.randint(60, 200))
    text = "".join(words) if is_by_character else "  ".join(words)
    table = network.spelling.weight[spelling_rows(words, is_by_character, 512)].sum(dim=1)
    logits = SPELLING_SCALE * table @ network.head.weight[:, 16:].T + network.head.bias
    expected = best_tags(logits.detach().numpy(), SPEC.labels)
    for block_size in (48, 11):
        network.backbone.config = network.backbone.config.model_copy(
            update={"block_size": block_size}
        )
        answers = predictor_of("tagging", network, load_tokenizer(backbone), spec)(
            [words, "", text]
        )
        in_words, in_nothing, in_text = answers
        assert in_words["tags"] == expected
        assert in_nothing["entities"] == []
        assert len(in_text["entities"]) == len(spans(expected)) > 0
        for entity in in_text["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]


def test_a_batch_of_long_texts_has_the_gradient_of_its_windows_read_at_once(
    network: Tagger, backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Example(("Ann", "runs") * n, ("B-PER", "O") * n, "") for n in (1, 70)]
    batch = collate(encode(load_tokenizer(backbone), SPEC, rows, 48))
    assert len(batch["input_ids"]) > 4
    gradients, reads = [], []
    hidden = network.backbone.hidden

    def count(input_ids: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        reads.append(len(input_ids))
        return hidden(input_ids, *args, **kwargs)

    monkeypatch.setattr(network.backbone, "hidden", count)
    for max_tokens in (2**13, 1):
        monkeypatch.setattr("textmill.training.word_states.MAX_TOKENS", max_tokens)
        network.zero_grad()
        loss(network, batch, 0.0).backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert max(reads[1:]) == 2  # one for each text
    torch.testing.assert_close(gradients[1], gradients[0])


def test_a_long_text_is_read_to_its_end(network: Tagger, backbone: Path) -> None:
    torch.nn.init.constant_(network.head.bias[1], 1e3)  # whatever it reads is a B-PER
    text = " ".join(f"w{i}" for i in range(500))
    predict = predictor_of("tagging", network, load_tokenizer(backbone), SPEC)
    by_words, by_text = predict([text.split(), text])
    assert by_words["tags"] == ["B-PER"] * 500
    assert [entity["text"] for entity in by_text["entities"]] == text.split()
    assert by_text["entities"][-1]["end"] == len(text)
    assert not by_text["is_cut"]


@pytest.mark.parametrize("is_by_character", [False, True])
@pytest.mark.parametrize("words", [[""], ["", "a"], ["a", "", " "]])
def test_words_without_a_character_are_tagged_like_others(
    network: Tagger, backbone: Path, words: list[str], is_by_character: bool
) -> None:
    tokenizer, spec = load_tokenizer(backbone), Spec(SPEC.labels, is_by_character, 512)
    (encoded,) = encode(tokenizer, spec, [Example(tuple(words), ("O",) * len(words), "")], 48)
    assert set(encoded.windows[0][1]) == {-1, *range(len(words))}
    (answer,) = predictor_of("tagging", network, tokenizer, spec)([words])
    assert len(answer["tags"]) == len(words)


@pytest.mark.parametrize("text", ["", " ", "\N{GREEK SMALL LETTER OMEGA}", "?!", "x" * 5000])
def test_odd_texts_are_answered(network: Tagger, backbone: Path, text: str) -> None:
    torch.nn.init.constant_(network.head.bias[1], 1e3)  # whatever it reads is a B-PER
    (answer,) = predictor_of("tagging", network, load_tokenizer(backbone), SPEC)([text])
    for entity in answer["entities"]:
        assert text[entity["start"] : entity["end"]] == entity["text"]
    assert "".join(entity["text"] for entity in answer["entities"]) == text.strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("दिल्ली में बारिश", ["दिल्ली", "में", "बारिश"]),
        ("cafe\N{COMBINING ACUTE ACCENT} Rio", ["cafe\N{COMBINING ACUTE ACCENT}", "Rio"]),
        ("王三在2010年", ["王", "三", "在", "2010", "年"]),
        ("see https://a.example/x?y=1, @ann", ["see", "https://a.example/x?y=1,", "@ann"]),
        ("Ann's well-known, U.S. idea.", ["Ann's", "well-known", ",", "U.S", ".", "idea", "."]),
    ],
)
def test_texts_of_all_scripts_are_read_word_by_word(
    network: Tagger, backbone: Path, text: str, words: list[str]
) -> None:
    torch.nn.init.constant_(network.head.bias[1], 1e3)  # whatever it reads is a B-PER
    (answer,) = predictor_of("tagging", network, load_tokenizer(backbone), SPEC)([text])
    assert [entity["text"] for entity in answer["entities"]] == words


def test_a_fine_tuned_model_finds_the_names_with_their_offsets(
    tuned: tuple[TaggingConfig, Path],
) -> None:
    predictor: Predictor = load_predictor(tuned[1])
    (answer,) = predictor(["Ann Bob  reads today in Dora sleeps"])
    scores = [entity.pop("score") for entity in answer["entities"]]
    assert all(0.5 < score <= 1 for score in scores)
    assert answer == {
        "entities": [
            {"text": "Ann Bob", "type": "PER", "start": 0, "end": 7},
            {"text": "Dora", "type": "PER", "start": 24, "end": 28},
        ],
        "is_cut": False,
    }


def test_the_evaluation_writes_scores_that_its_predictions_give(
    tuned: tuple[TaggingConfig, Path], tmp_path: Path
) -> None:
    evaluate(tuned[0], {"model": tuned[1]}, tmp_path)
    metrics = read_json(tmp_path / "metrics.json")
    rows = [json.loads(line) for line in (tmp_path / "predictions.jsonl").read_text().splitlines()]
    assert metrics["f1"] > 0.9
    assert metrics["test_examples"] == len(rows) == 40
    assert [row["tokens"] for row in rows] == [row["tokens"] for row in toy_rows(40, seed=2)]
