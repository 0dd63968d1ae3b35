from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from benchmarks.small_demo import SMALL
from tests.e2e.conftest import Product, wait_until
from tests.e2e.test_serve import Server

SAMPLES = ("topic", "ner", "translation", "qa", "entailment", "subjects", "chat")
ROLES = (
    "{name: roles, kind: tagging, train: roles.jsonl, test: roles.jsonl, "
    "tags: tags, predicate: predicate}"
)
TASKS = f"tasks=[{','.join(f'sample-{name}' for name in SAMPLES)},{ROLES}]"
OVERRIDES = [*SMALL, TASKS]
WIDTHS = (1280, 390)
VIEWS = ("write", "chat", *(f"task/{name}" for name in (*SAMPLES, "roles")), "compare", "runs")


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """A folder in which a small demo with all kinds of tasks has run, and topic once more."""
    product = Product(tmp_path_factory.mktemp("playground"))
    write_roles(product.folder / "roles.jsonl")
    for further in ([], ["tasks.topic.finetune.seed=1"]):
        done = product.run("run", *OVERRIDES, *further, timeout_s=900)
        assert done.returncode == 0, done.stderr
    return product


def write_roles(file: Path) -> None:
    rows = []
    for n in range(60):
        who = ("Emma", "Paul", "Nora", "Otto", "Ida", "Karl")[n % 6]
        verb, what = ("opened", "closed", "painted")[n % 3], ("door", "window", "box")[n // 3 % 3]
        tokens = [who, verb, "the", what, f"{n}", "."]
        tags = ["B-ARG0", "B-V", "B-ARG1", "I-ARG1", "I-ARG1", "O"]
        rows.append(json.dumps({"tokens": tokens, "tags": tags, "predicate": 1}))
    file.write_text("\n".join(rows))


@pytest.fixture(scope="package")
def server(product: Product) -> Iterator[Server]:
    started = Server(product, product.folder, *OVERRIDES)
    wait_until(started.is_ready, 120)
    yield started
    started.stop()


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=which("chromium"))
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that must not report errors, or ask other hosts."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    errors: list[str] = []
    hosts: set[str] = set()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "console",
        lambda said: (
            said.type == "error"
            and not said.text.startswith("Failed to load resource")
            and errors.append(said.text)
        ),
    )
    opened.on("request", lambda request: hosts.add(request.url.split("/")[2].split(":")[0]))
    yield opened
    context.close()
    assert errors == []
    assert hosts <= {"127.0.0.1"}


@pytest.fixture
def visit(page: Any, server: Server) -> Callable[[str], Any]:
    def go(view: str) -> Any:
        page.goto(f"{server.url}/#/{view}")
        page.locator("h1").wait_for()
        return page

    return go


def result(page: Any) -> Any:
    """The region of results, once the answer is complete."""
    page.locator(".results .provenance").first.wait_for(timeout=60_000)
    page.locator(".results[aria-busy=true]").wait_for(state="detached")
    return page.locator(".results")


def predict(server: Server, task: str, given: Any) -> Any:
    [prediction] = server.predict(task, given).json()["predictions"]
    return prediction
