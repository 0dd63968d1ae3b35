"""The manifest of a result: its step, configuration, code, inputs, and the digests of its files."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from textmill.errors import RunError
from textmill.files import RESTORE, parse_json, read_json, read_verified

MANIFEST_TAG = "textmill.manifest"
"""Tag with the digest of a result's manifest, which contains the digests of its other files."""

log = logging.getLogger(__name__)


class _Input(BaseModel):
    run_id: str
    digest: str


class _Source(BaseModel):
    place: str
    digest: str
    files: dict[str, str] = {}


class _Manifest(BaseModel):
    """The fields that readers require."""

    model_config = ConfigDict(extra="allow", strict=True)

    step: str
    key: str
    digest: str
    config: dict[str, Any]
    code: dict[str, str]
    packages: dict[str, str]
    inputs: dict[str, _Input]
    sources: dict[str, _Source]
    files: dict[str, str]


def load_manifest(file: Path, tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the manifest in a file.

    Args:
        file: a local copy.
        tags: tags of its run, with its digest. Runs of early versions have none: their manifest is
            read if it is well-formed, with a warning.

    Raises:
        RunError: it is missing or damaged.
    """
    digest = tags.get(MANIFEST_TAG)
    if digest is not None:
        return dict(parse_json(read_verified(file, digest), file))
    try:
        manifest = read_json(file)
        _Manifest.model_validate(manifest)
    except OSError as error:
        raise RunError(f"{file} cannot be read ({error.strerror}): {RESTORE}") from None
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "manifest"
        raise RunError(f"{file} is damaged ({where}: {problem['msg']}): {RESTORE}") from None
    log.warning("%s is not verified: its run has no digest of it.", file)
    return dict(manifest)
