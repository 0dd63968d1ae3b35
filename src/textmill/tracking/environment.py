"""The environment of a run: packages, machine and commit."""

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
DUBIOUS_OWNERSHIP = "dubious ownership"
"""Part of git's error message about a checkout that another user owns."""
MACHINE_TAG = "textmill.machine"
"""The machine of a run: `hardware.describe()` as JSON."""

log = logging.getLogger(__name__)


def packages() -> str:
    """Return the installed packages as lines of a requirements file."""
    # Every access to `metadata` reads its file again: one access per distribution.
    found = {
        f"{metadata['Name']}=={metadata['Version']}"
        for metadata in (package.metadata for package in importlib.metadata.distributions())
    }
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def recorded_machine(run: Run) -> dict[str, str]:
    """Return the machine of a run, as `hardware.describe()` returned it; empty if unknown."""
    tags = run.data.tags
    if MACHINE_TAG in tags:
        return dict(json.loads(tags[MACHINE_TAG]))
    prefix = f"{MACHINE_TAG}."  # runs from before 2026-11-28 have one tag per property
    return {k.removeprefix(prefix): v for k, v in tags.items() if k.startswith(prefix)}


def git_commit() -> str | None:
    """Return the commit of textmill's checkout, with "+changes" if it is modified, or None.

    In a Docker image, which has no checkout, it is the commit that the image was built from.
    """
    folder = Path(textmill.__file__).parent
    try:
        # Fails if textmill is installed inside the checkout of another project.
        _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(folder, "rev-parse", "HEAD")
        return f"{commit}+changes" if _git(folder, "status", "--porcelain") else commit
    except subprocess.CalledProcessError as error:
        if DUBIOUS_OWNERSHIP in error.stderr:
            log.warning(
                "The commit is not recorded: another user owns the checkout of textmill, %s, and "
                "git refuses to read it. If you trust it, run git config --global --add "
                "safe.directory FOLDER, with the folder in git's message: %s",
                folder,
                " ".join(error.stderr.split())[:300],
            )
    except (OSError, subprocess.SubprocessError):
        pass  # git is not installed, or timed out
    return os.environ.get(COMMIT_VARIABLE) or None


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
        env=os.environ | {"LC_ALL": "C"},  # its error messages are parsed
    )
    return done.stdout.strip()
