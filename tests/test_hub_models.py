"""Specifies where pretrained models are found: in folders, or on the hub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

from textmill.errors import InputError, RunError
from textmill.hub_models import is_hub_id, local_folder
from textmill.locations import anchored

COMMIT = "0123456789" * 4


@pytest.mark.parametrize("place", ["owner/name", "owner/some.name-1@v1.0", "owner/name@refs/pr/1"])
def test_an_owner_and_a_name_are_a_model_of_the_hub(place: str) -> None:
    assert is_hub_id(place)


@pytest.mark.parametrize(
    "place",
    ["/owner/name", "name", "./owner/name", "../name", "a/b/c", "~/name", "owner/name/", ""],
)
def test_other_locations_are_folders(place: str) -> None:
    assert not is_hub_id(place)


def test_a_folder_that_exists_comes_before_a_model_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert anchored("pretrain.init_from", "owner/name") == "owner/name"
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert anchored("pretrain.init_from", "owner/name") == str(tmp_path / "owner/name")
    assert anchored("pretrain.init_from", "name") == str(tmp_path / "name")


def test_a_folder_is_itself(tmp_path: Path) -> None:
    assert local_folder(str(tmp_path), ["*"]) == tmp_path


def test_a_model_of_the_cache_needs_no_network(tmp_path: Path) -> None:
    model = tmp_path / "hub" / "models--owner--name"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(COMMIT)
    snapshot = model / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    code = (
        "from textmill.hub_models import local_folder\n"
        "print(local_folder('owner/name', ['config.json']))\n"
        f"print(local_folder('owner/name@{COMMIT}', ['config.json']))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == [str(snapshot)] * 2


@pytest.mark.parametrize(
    ("error", "raised", "problem"),
    [
        (RepositoryNotFoundError, InputError, "neither a folder owner/name nor such a model"),
        (RevisionNotFoundError, InputError, "neither a folder owner/name nor such a model"),
        (GatedRepoError, InputError, "licence has been accepted"),
        (ConnectionError, RunError, r"cannot be downloaded \(no route\): try again when the hub"),
    ],
)
def test_a_model_that_cannot_be_downloaded_is_named(
    monkeypatch: pytest.MonkeyPatch,
    error: type[Exception],
    raised: type[Exception],
    problem: str,
) -> None:
    def fail(*args: object, **settings: object) -> None:
        if error is ConnectionError:
            raise error("no route")
        import httpx

        request = httpx.Request("GET", "https://hub.example")
        raise error("no route", response=httpx.Response(404, request=request))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(raised, match=problem):
        local_folder("owner/name", ["config.json"])
