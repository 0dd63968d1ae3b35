"""What a run was made with: packages, machine and commit."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import subprocess
from pathlib import Path

from mlflow.entities import Run

import textmill

COMMIT_VARIABLE = "TEXTMILL_COMMIT"
DUBIOUS = "dubious ownership"
"""What git says of a checkout that another user owns."""
MACHINE_TAG = "textmill.machine"
"""What a run was made on: `hardware.describe()` as JSON."""

log = logging.getLogger(__name__)


def packages() -> str:
    """Return the installed packages as lines of a requirements file."""
    # Every access to the metadata of one reads its file again.
    found = {
        f"{metadata['Name']}=={metadata['Version']}"
        for metadata in (one.metadata for one in importlib.metadata.distributions())
    }
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def recorded_machine(run: Run) -> dict[str, str]:
    """Return what a run was made on, as `hardware.describe()` says it; empty if unknown."""
    tags = run.data.tags
    if MACHINE_TAG in tags:
        return dict(json.loads(tags[MACHINE_TAG]))
    prefix = f"{MACHINE_TAG}."  # runs from before 2026-11-28 have a tag for each fact
    return {k.removeprefix(prefix): v for k, v in tags.items() if k.startswith(prefix)}


def git_commit() -> str | None:
    """Return the commit of textmill's own checkout, with "+changes" if it has any, or None.

    An image has no checkout: there it is what the image was built with.
    """
    folder = Path(textmill.__file__).parent
    try:
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")  # else it is another's checkout
        commit = _git(folder, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(folder, "status", "--porcelain") else commit
    except subprocess.CalledProcessError as error:
        if DUBIOUS in error.stderr:
            log.warning(
                "No commit is recorded: another user owns the checkout of textmill, %s, and git "
                "does not read it. If you trust it: git config --global --add safe.directory "
                "FOLDER, with the folder that git names: %s",
                folder,
                " ".join(error.stderr.split())[:300],
            )
    except (OSError, subprocess.SubprocessError):
        pass  # no git, or one that does not answer
    return os.environ.get(COMMIT_VARIABLE) or None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
        env=os.environ | {"LC_ALL": "C"},  # its messages are read
    )
    return done.stdout.strip()
