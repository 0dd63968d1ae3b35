"""Folders of pretrained models, which may be on the Hugging Face Hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from textmill.errors import InputError, RunError

HUB_ID = re.compile(r"(?P<id>[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(@(?P<revision>[\w./-]+))?")
"""An id on the hub, which may be followed by a revision."""


CONFIG_FILE, TOKENIZER_FILE = "config.json", "tokenizer.json"
TOKENIZER_SETTINGS, CHAT_TEMPLATE_FILE = "tokenizer_config.json", "chat_template.jinja"
TOKENIZER_PARTS = (TOKENIZER_FILE, f"{TOKENIZER_SETTINGS}*", f"{CHAT_TEMPLATE_FILE}*")
"""Patterns of the files of a tokenizer; files of a pattern with an asterisk may be missing."""
MODEL_FILES = (CONFIG_FILE, "*.safetensors", "*.safetensors.index.json", TOKENIZER_FILE)
"""Patterns of the files that pretraining begins with."""


def is_hub_id(place: str) -> bool:
    """Return whether a location is a model of the hub: `owner/name`, or `owner/name@revision`."""
    return HUB_ID.fullmatch(place) is not None


def local_folder(place: str, files: Sequence[str]) -> Path:
    """Return the folder of a model; one of the hub is downloaded to the cache of its library.

    Args:
        place: an absolute path, or a model of the hub.
        files: patterns of the names of the files that are needed.

    Raises:
        InputError: the hub has no such model or revision.
        RunError: the hub cannot be reached, and the cache does not have the model.
    """
    match = HUB_ID.fullmatch(place)
    if match is None:
        return Path(place)
    # Slow to import, and not needed for folders.
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(
            snapshot_download(match["id"], revision=match["revision"], allow_patterns=[*files])
        )
    except GatedRepoError:
        raise InputError(
            f"The model {place} can only be downloaded after its licence has been accepted: accept "
            "it on its page, and set HF_TOKEN."
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise InputError(
            f"There is neither a folder {place} nor such a model on the hub: correct the name, or "
            "set HF_TOKEN if it is private."
        ) from None
    except Exception as error:  # the HTTP library, and so the exceptions, depend on the version
        reason = " ".join(str(error).split())[:200]
        raise RunError(
            f"The model {place} cannot be downloaded ({reason}): try again when the hub is "
            "reachable, or use a local folder."
        ) from None
