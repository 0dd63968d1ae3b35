"""Specifies what is recorded of packages and commit."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import textmill
from textmill.tracking import environment


def test_packages_are_pinned_lines_of_a_requirements_file() -> None:
    pins = {}
    lines = environment.packages().splitlines()
    for line in lines:
        requirement = Requirement(line)
        pins[requirement.name] = str(requirement.specifier)
    assert pins["torch"] == f"=={importlib.metadata.version('torch')}"
    assert lines == sorted(lines, key=str.lower)


def test_the_commit_is_that_of_the_checkout() -> None:
    folder = str(Path(textmill.__file__).parent)
    command = ["git", "-C", folder, "rev-parse", "HEAD"]
    head = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert environment.git_commit() in (head, f"{head}+changes")


def test_an_installed_copy_in_anothers_checkout_has_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "__init__.py").touch()
    monkeypatch.setattr(textmill, "__file__", str(tmp_path / "__init__.py"))
    assert environment.git_commit() is None


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert environment.git_commit() is None


def test_a_checkout_of_another_user_has_no_commit_and_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    git = tmp_path / "git"
    git.write_text(
        "#!/bin/sh\necho \"fatal: detected dubious ownership in repository at '/there'\" >&2\n"
        "exit 128"
    )
    git.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("TEXTMILL_COMMIT", raising=False)
    assert environment.git_commit() is None
    assert "The commit is not recorded: another user owns the checkout" in caplog.text
    assert "safe.directory" in caplog.text


def test_an_image_has_the_commit_that_it_was_built_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("TEXTMILL_COMMIT", "4" * 40)
    assert environment.git_commit() == "4" * 40
    monkeypatch.setenv("TEXTMILL_COMMIT", "")  # a build without the argument
    assert environment.git_commit() is None


def test_a_checkout_knows_better_than_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTMILL_COMMIT", "4" * 40)
    assert environment.git_commit() != "4" * 40
