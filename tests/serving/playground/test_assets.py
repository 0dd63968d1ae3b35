"""Specifies the files of the page: ours alone, kept by browsers, and complete."""

from __future__ import annotations

import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from textmill.serving.playground.assets import FOLDER, read_assets, routes

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()
    app.include_router(routes(read_assets()))
    return TestClient(app)


def test_the_page_is_at_the_root_under_a_strict_policy(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = answer.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'self'"
    assert not any("unsafe" in part for part in policy)
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_browser_keeps_a_file_until_it_changes(client: TestClient) -> None:
    first = client.get("/playground/main.js")
    assert first.headers["cache-control"] == "no-cache"
    assert first.headers["content-type"] == "text/javascript; charset=utf-8"
    again = client.get("/playground/main.js", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "content-security-policy" in again.headers
    other = client.get("/playground/main.js", headers={"if-none-match": '"other"'})
    assert other.content == first.content


@pytest.mark.parametrize(
    "path", ["/playground/", "/playground/none.js", "/playground/..%2f..%2fapp.py"]
)
def test_no_other_file_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_all_that_the_files_load_is_served_and_nothing_else(client: TestClient) -> None:
    named: set[str] = set()
    for path in read_assets():
        text = client.get(path).text
        if path.endswith(".js") or path == "/":
            named |= {*re.findall(r'(?:src|href|from)[= ]"(/[^"]*)"', text)}
        code = re.sub(r"(?m)(^|\s)//\s.*", "", text)
        assert not re.search(r"//(?!www\.w3\.org)\w", code), path
        assert "innerHTML" not in text
        assert not re.search(r'style="|onclick="', text)  # the policy forbids them
    assert named == {*read_assets()} - {"/"}


def test_all_files_are_in_the_wheel() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = settings["tool"]["setuptools"]["package-data"]["textmill"]
    files = [*FOLDER.iterdir()]
    assert len(files) == len(read_assets())
    for file in files:
        name = str(file.relative_to(ROOT / "src" / "textmill"))
        assert any(fnmatch(name, pattern) for pattern in patterns), name
