"""Specifies the wheel: built here, installed beside nothing of the checkout, it does all the same.

It is built without a network, with the setuptools and setuptools-scm of this environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.e2e.conftest import SMALL, Product

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "conf/", "flows/", "src/")
"""What a wheel is made of; images copy the same."""
NAMES = {"textmill", "textmill_conf", "textmill_flows"}
TAG = "v7.6.5"


def build(folder: Path, tag: str | None) -> Path:
    """Return the wheel of a copy of the sources: in a repository with that tag, or in none."""
    copy = folder / "checkout"
    for name in SOURCES:
        source = CHECKOUT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, copy / name, symlinks=True, ignore=ignored)
        else:
            copy.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy / name)
    if tag is not None:
        git = ["git", "-C", str(copy), "-c", "user.name=test", "-c", "user.email=test@example.com"]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "all"], ["tag", tag]):
            subprocess.run([*git, *words], check=True)
    pip(
        "wheel", "--no-deps", "--no-build-isolation", "--no-index",
        "--wheel-dir", str(folder), str(copy),
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    return wheel


def pip(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *words],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("tagged"), TAG)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment that has the wheel, and all it depends on."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    pip("--python", str(programs / "python"), "install", "--no-deps", "--no-index", str(wheel))
    (packages,) = folder.glob("lib/python*/site-packages")
    # Its packages alone: what lies in the folders of others, a link to a checkout too, is not read.
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(others) + "\n")
    return programs


def run(folder: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_installs_no_name_that_others_have(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = archive.namelist()
        (top_level,) = (name for name in names if name.endswith(".dist-info/top_level.txt"))
        assert set(archive.read(top_level).decode().split()) == NAMES
    information = top_level.partition("/")[0]
    assert {name.partition("/")[0] for name in names} == {*NAMES, information}


def test_it_holds_the_licence_all_configurations_and_all_templates(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert f"textmill-{TAG[1:]}.dist-info/licenses/LICENSE" in names
    conf = {f"textmill_{p.relative_to(CHECKOUT)}" for p in (CHECKOUT / "conf").rglob("*.yaml")}
    templates = {str(p.relative_to(CHECKOUT / "src")) for p in (CHECKOUT / "src").rglob("*.j2")}
    lists = {str(p.relative_to(CHECKOUT / "src")) for p in (CHECKOUT / "src").rglob("*.txt")}
    assert len(conf) > 10
    assert len(templates) > 1
    assert len(lists) > 10
    assert conf | templates | lists | {"textmill/py.typed"} <= names


def test_its_version_is_that_of_the_tag_and_without_git_it_holds_the_same_files(
    wheel: Path, tmp_path: Path
) -> None:
    assert wheel.name == f"textmill-{TAG[1:]}-py3-none-any.whl"
    untagged = build(tmp_path, None)
    assert untagged.name == "textmill-0.0.0-py3-none-any.whl"

    def packages(file: Path) -> list[str]:
        with ZipFile(file) as archive:
            return sorted(name for name in archive.namelist() if ".dist-info/" not in name)

    assert packages(untagged) == packages(wheel)


def test_its_command_and_its_modules_need_no_checkout(installed: Path, tmp_path: Path) -> None:
    assert run(tmp_path, str(installed / "textmill"), "--version") == f"textmill {TAG[1:]}\n"
    assert "textmill" in run(tmp_path, str(installed / "textmill"), "--help")
    code = "import json, sys, textmill.api; print(json.dumps([textmill.__file__, sys.path]))"
    file, path = json.loads(run(tmp_path, str(installed / "python"), "-c", code))
    assert Path(file).is_relative_to(installed.parent)
    assert not {str(CHECKOUT), str(CHECKOUT / "src")} & set(path)


def test_it_runs_the_demo_and_its_models_answer(installed: Path, tmp_path: Path) -> None:
    product = Product(tmp_path, command=installed / "textmill")
    done = product.run("run", *SMALL, timeout_s=500)
    assert done.returncode == 0, done.stderr
    assert "| topic/accuracy |" in done.stderr
    code = (
        "import textmill.api; "
        "print(textmill.api.load_task('demo.topic/1')('They won again.')['label'])"
    )
    assert run(tmp_path, str(installed / "python"), "-c", code).strip()
