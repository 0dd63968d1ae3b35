"""Specifies the report: its page, in text and in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import asdict, replace
from html import unescape
from typing import Any

import pytest

from tests.memorized import make_audit
from tests.tasks.behaviour.test_group_scores import case as group_case
from textmill.evaluation.notes import Note
from textmill.evaluation.significance import Interval
from textmill.evaluation.spreads import Spread
from textmill.reports.corpus import (
    Cluster,
    Corpus,
    Filter,
    Histogram,
    Language,
    Rejected,
    Source,
    Throughput,
)
from textmill.reports.rendering import (
    Branch,
    Curves,
    DataPage,
    Image,
    Origin,
    Previous,
    Report,
    Score,
    Step,
    Task,
    render,
    render_data,
)
from textmill.reports.selected_examples import choose_examples
from textmill.tasks.behaviour.group_differences import differences_from_rows
from textmill.tasks.behaviour.verdicts import Summary, Verdict
from textmill.tasks.shown import page_of

HOSTILE = '<img src="https://example.com/x.png" onerror="alert(1)"><script>alert(2)</script>'
# A red pixel.
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAE"
    "hQGAhKmMIQAAAABJRU5ErkJggg=="
)
LONG = "word " * 500
BACKBONE = Branch("pretrain", "u", "e" * 64, (), ("tokenizer",), ())

SCORES = (
    Score("topic", "accuracy", 0.848, 0.904, 0.202, 0.851, Interval(0.848, 0.82, 0.875, 0.014)),
    Score("topic", "f1_macro", 0.850, 0.905, 0.067),
    Score("ner", "f1", 0.994, 0.986, 0.111, 0.990),
    Score("lm", "val_loss", 1.278, 6.491, None, 1.300, lower_is_better=True),
)


FAILED = Verdict(
    "names",
    "invariance",
    "",
    ("Ann ate.", HOSTILE),
    ({"name": "Ann"}, {"name": HOSTILE}),
    ("food (0.9)", HOSTILE),
    "the same",
    False,
)
PASSED = replace(FAILED, is_passed=True)
NAMES = Summary("names", "invariance", HOSTILE, (FAILED,) * 6 + (PASSED,) * 2)
DIFFERENCES = differences_from_rows(
    asdict(group_case(0.5, p, 0.5, template=f"{HOSTILE} {number}"))
    for number, p in enumerate([0.6, 0.61, 0.62])
)
PRAISE = Summary("praise", "minimum", "one word", (replace(PASSED, test="praise"),) * 40)


def make_step(label: str, is_reused: bool = False, **further: Any) -> Step:
    numbers = {"seconds": 20.1, "memory_mib": 2048.0, "processor_percent": 97.0} | further
    return Step(label, f"http://mlflow/{label}", "k" * 64, "d" * 64, is_reused, **numbers)


def make_tasks() -> tuple[Task, ...]:
    texts = ["The soup was cold.", HOSTILE, LONG]
    rows = [
        {"text": text, "reference": "food", "label": label, "score": 0.9, "is_cut": False}
        for text in texts
        for label in ("food", "travel")
    ]
    words = ["Ann", HOSTILE, "in", "Bath"]
    entities = [
        {"tokens": words, "reference": ["B-PER", "O", "O", "B-LOC"], "tags": tags.split()}
        for tags in ("B-PER O O O", "B-PER O O B-LOC")
    ]
    image = Image("Confusion matrix", PIXEL, "http://mlflow/png")
    large = Image("Entity scores", None, "http://mlflow/large")
    shown = [*map(page_of("tagging").show, entities)]
    return (
        Task(
            name="topic",
            kind="classification",
            facts={"test examples": "6"},
            baselines={"majority": {"accuracy": 0.202}, "tfidf": {"accuracy": 0.904}},
            images=(image,),
            notes=(Note("tfidf", "tfidf: 1,500 classes, one-vs-rest", is_doubt=False),),
            intervals={"behaviour/praise": Interval(1.0, 0.912, 1.0, 0.0)},
            behaviour=(PRAISE, NAMES),
            bias=DIFFERENCES,
            examples=choose_examples([*map(page_of("classification").show, rows)], 4, 6),
        ),
        Task("ner", "tagging", {}, {}, (large,), choose_examples(shown, 4, 6)),
    )


def make_corpus() -> Corpus:
    web = Source("web", "web/*.txt", {"en": 1100}, 1200, 1100, 5_400_000, 5_000_000, {"c4": 100})
    mixed = {"de": 550, "en": 330, "fr": 110, "it": 55, "und": 55}
    books = replace(
        web, name="books", languages=mixed, is_identified=True, encodings={"cp1252": 3, "koi8-r": 1}
    )
    examples = (Rejected("web, a.txt:3", "sentences 2 < 3", f"ab {HOSTILE}"),)
    return Corpus(
        sources=(web, books),
        filters=(
            Filter("bad_record", 0, None),
            Filter("c4", 200, 700_000, examples),
            Filter("near_duplicate", 0, 0),
        ),
        languages=(
            Language("en", 1430, 6_000_000, 3.75, 1.5),
            Language("zh", 770, 4_000_000, 1.5, 1.25, True),
            Language("und", 1, 10),
        ),
        changes={"stripped_html": 7},
        redacted={"[EMAIL]": 12},
        tokens={"vocabulary": "2,048"},
        contaminated={"topic": 4},
        lengths=Histogram((10, 100, 1000), (1200, 1000)),
        clusters=(Cluster("The tide.", "web", 1, 2, f"The tides. {HOSTILE}", "books", 0.75),),
        cluster_sizes={"1": 30, "2–3": 4},
        throughput=(Throughput("clean", 10_800_000, 4.0),),
    )


def make_report() -> Report:
    return Report(
        experiment="support-desk",
        run_name="pipeline 2026-11-24 20:29:52",
        run_url="http://mlflow/run",
        date="2026-11-24 20:29 UTC",
        machine={"processor": "AMD EPYC", "cores": "2"},
        origin=Origin("textmill run --config demo", "demo", "0123456789abcdef" * 2, "c", "p"),
        is_sample=True,
        seconds=174.2,
        failures={},
        scores=SCORES,
        previous=Previous("pipeline before", "http://mlflow/before", {"lr": ("0.1", "0.2")}),
        corpus=make_corpus(),
        curves=(
            Curves("pretrain", {"train": [(1, 3.0), (2, 2.0)], "validation": [(2, 2.5)]}),
            Curves("finetune topic", {"train": [(1, 1.0), (2, 0.5)]}),
        ),
        tasks=make_tasks(),
        samples=("The harbour was quiet.", HOSTILE),
        audit=make_audit(),
        steps=(
            make_step("clean", seconds=3.0, memory_mib=None, n_bytes=5_400_000),
            make_step("pretrain", True),
        ),
        lineage=(Branch("clean", "u", "d" * 64, (f"web: {HOSTILE}",), (), (BACKBONE,)),),
        choices=("Model: 4 layers of 256 channels.", "Pretraining: 900 steps."),
    )


@pytest.fixture(scope="module")
def report() -> Report:
    return make_report()


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render(report)


def words_of(page: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_the_same_report_gives_the_same_page(page: str) -> None:
    assert render(make_report()) == page


def test_texts_cannot_bring_markup_into_the_page(page: str) -> None:
    assert "<script" not in page
    assert '<img src="https' not in page
    assert page.count("&lt;script&gt;alert(2)&lt;/script&gt;") >= 5


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    loaded = re.findall(r'(?:src|srcset|poster|data)="([^"]*)"|<link[^>]*href="([^"]*)"', page)
    assert {a or b for a, b in loaded} == {PIXEL, "data:,"}
    assert re.findall(r"@import|url\((?!#)", page) == []


def test_long_texts_end_in_an_ellipsis(page: str) -> None:
    assert "word word …" in page
    assert LONG[:700] not in page


@pytest.mark.parametrize(
    "words",
    [
        "topic accuracy 0.848 0.820 to 0.875 0.904 0.202 baseline 0.851 -0.003",
        "f1 macro 0.850 0.905 0.067 baseline – –",
        "ner f1 0.994 0.986 0.111 model 0.990 +0.004",
        "lm val loss ↓ 1.278 6.491 – model 1.300 -0.022",
        "better than its baseline in ner, lm",
        "The baseline is better in topic",
        "lr 0.1 0.2",
        "Scores on generated sample data are meaningless",
        "Of 2,400 documents (10.8 MB), 2,200 (10 MB) were kept : 92 % of the documents, 93 %",
        "bad record 0 0.0 % 2,400 – 10.8 MB",
        "c4 200 8.3 % 2,200 700 kB 10.1 MB",
        "repaired, stripped, redacted 100 kB kept 2,200 10 MB",
        "c4: 1 of 200 rejected text reason source ab <img",
        "sentences 2 < 3 web, a.txt:3",
        "web en 1,200 1,100 c4 100 5.4 MB 5 MB",
        "books de 50 %, en 30 %, fr 10 % and 2 more (identified)",
        "Of books, 3 files were read as cp1252 and 1 as koi8-r; all others as UTF-8.",
        "en 1,430 65 % 6 MB 60 % 3.75 1.50 zh 770 35 % 4 MB 40 % 1.50 1.25 per character",
        "unknown 1 <0.1 % 10 Bytes <0.1 % – –",
        "[EMAIL] 12",
        "stripped html 7",
        "topic 4",
        "characters per document",
        "documents 30 4",
        "1 2 The tide. web The tides. <img",
        "books, similarity 0.75",
        "clean 10.8 MB 4.0 s 2.7 MB",
        "vocabulary 2,048",
        "test examples 6 tfidf: 1,500 classes, one-vs-rest. model",
        "Bath LOC missed",
        "praise minimum one word 40 0 1.000 0.912 to 1.000",
        "animal, cats → dogs templates 3 bad -0.110",
        "animal, cats → birds templates 3 bad +0.000 +0.000 to +0.000 0.000",
        "2 of 3 differences are marked ≠ 0; without any bias, about one in twenty",
        "Texts with the largest change of 2 marked differences <img",
        "Failed cases of 1 test names · 3 of 6 Ann ate. → food (0.9) <img",
        "The harbour was quiet.",
        "canaries, 8 × in the text 1 12.00 (12.00 to 12.00) 1.000 0.207 to 1.000 canaries",
        "training text 4 0.250 0.046 to 0.699",
        "Training read the text 2.5 times.",
        "Sizes for the budget Model: 4 layers of 256 channels. Pretraining: 900 steps.",
        "clean computed 3.0 s – 97 %",
        "pretrain reused 20.1 s 2.0 GiB 97 %",
        "textmill run --config demo",
        "0123456789ab",
    ],
)
def test_the_page_says(page: str, words: str) -> None:
    assert words in words_of(page)


def test_scores_over_several_trainings_have_a_column_where_there_are_some(
    report: Report, page: str
) -> None:
    assert "over seeds" not in words_of(page)
    assert "over folds" not in words_of(page)
    spreads = {"over seeds": Spread(0.84, 0.006, 3), "over folds": Spread(0.83, 0.02, 5)}
    topic = replace(SCORES[0], spreads=spreads)
    words = words_of(render(replace(report, scores=(topic, *SCORES[1:]))))
    assert "95 % interval over seeds over folds baseline" in words
    found = "topic accuracy 0.848 0.820 to 0.875 0.840 ± 0.006 0.830 ± 0.020 0.904 0.202 baseline"
    assert found in words
    assert "f1 macro 0.850 0.905 0.067 baseline" in words
    assert "Over seeds: mean and standard deviation of the scores" in words
    assert "Over folds: mean and standard deviation of the scores" in words


def test_the_data_have_a_page_of_their_own(page: str) -> None:
    data = render_data(
        DataPage("desk", "prepare now", "http://mlflow/run", "", False, make_corpus())
    )
    assert "desk prepare now" in words_of(data)
    section = data.partition('<section id="data">')[2].partition("</section>")[0]
    assert section
    assert section in page


def test_only_reused_steps_are_left_out_of_the_time_computed(report: Report) -> None:
    assert report.computed_s == 3.0


def test_failed_branches_are_named_with_the_reason(report: Report) -> None:
    failed = replace(report, failures={"ner": f"ner.csv:3: no tags {HOSTILE}"}, is_sample=False)
    words = words_of(render(failed))
    assert "1 branch failed" in words
    assert "ner : ner.csv:3: no tags" in words
    assert "sample data" not in words


def test_a_run_with_nothing_but_failures_is_reported_too(report: Report) -> None:
    empty = replace(
        report, scores=(), previous=None, corpus=None, curves=(), tasks=(), samples=(), steps=()
    )
    words = words_of(render(replace(empty, failures={"topic": "killed"})))
    assert "This run has no scores" in words
    assert "topic : killed" in words


def test_the_tree_shows_the_lineage(page: str) -> None:
    tree = page.partition('id="lineage"')[2].partition("</section>")[0]
    assert tree.index("clean") < tree.index("<ul>", tree.index("clean")) < tree.index("pretrain")
    words = words_of(tree)
    assert "web: <img" in words
    assert "pretrain eeeeeeeeeeee also from tokenizer" in words


def test_steps_say_how_large_their_output_is(page: str) -> None:
    rows = page.partition('id="steps"')[2].partition("</section>")[0]
    assert "5.4 MB" in rows


@pytest.mark.parametrize(
    ("score", "ahead", "trend"),
    [
        (Score("t", "accuracy", 0.9, 0.8, previous=0.8), "model", "better"),
        (Score("t", "accuracy", 0.8, 0.9, previous=0.9), "baseline", "worse"),
        (Score("t", "accuracy", 0.8, 0.8, previous=0.8001), "equal", ""),
        (Score("t", "perplexity", 3.0, 9.0, previous=4.0, lower_is_better=True), "model", "better"),
        (Score("t", "val_loss", 3.0, 2.0, previous=2.0, lower_is_better=True), "baseline", "worse"),
        (Score("t", "bits_per_byte", 3.0), "", ""),
    ],
)
def test_what_is_better_depends_on_the_metric(score: Score, ahead: str, trend: str) -> None:
    assert (score.ahead, score.trend) == (ahead, trend)


def test_rendering_needs_neither_torch_nor_metrics() -> None:
    code = (
        "import sys, textmill.reports.rendering as r; r._environment();"
        "print({'torch', 'lightning', 'evaluate', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
