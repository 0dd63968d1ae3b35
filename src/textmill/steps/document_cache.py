"""The store's cache of prepared documents: its keys, and eviction by size."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from textmill.config import CleanConfig, key_values
from textmill.files import CachePlace, digest_values
from textmill.steps.step import Step, code_of

PREPARED_TAG = "textmill.prepared"
"""Tag of a clean run with the key of its cache of prepared documents."""
FOLDER = "prepared"
_PREPARING = Step("preparing", "textmill.corpus.cleaning.workers.pool:Pool", loads=("{filters}",))
_NOT_READ = {"sources", "exact_duplicates", "validation_share", "max_bad_share"}
_NOT_SKETCHED = {"threshold", "max_candidates"}


def prepared_key(config: CleanConfig, tests: Mapping[str, str]) -> str:
    """Return a digest of everything that can change a prepared document, except the document.

    It includes all settings but those that preparation does not read.

    Args:
        config: the configuration of the step clean.
        tests: digests of the texts of tests that documents are compared with, by file.
    """
    settings = {name: v for name, v in key_values(config).items() if name not in _NOT_READ}
    near = settings["near_duplicates"]
    settings["near_duplicates"] = {n: v for n, v in near.items() if n not in _NOT_SKETCHED}
    code = code_of(_PREPARING, settings)
    return digest_values([settings, code.modules, code.packages, dict(tests)])


def cache_place(home: Path, key: str, work: Path, max_gib: float) -> CachePlace | None:
    """Return the cache folders of a run; None if the cache is disabled.

    Args:
        home: home folder of the store.
        key: result of `prepared_key`.
        work: work folder of the run.
        max_gib: maximum size of the whole cache.
    """
    if not max_gib:
        return None
    new = work / FOLDER
    shutil.rmtree(new, ignore_errors=True)  # left by a failed run
    return CachePlace(home / FOLDER / key, new, int(max_gib * 2**30))


def keep_prepared(place: CachePlace, began_s: float) -> None:
    """Move a run's additions into the cache, up to its maximum size.

    The least recently used files are evicted, but none that this run has read or added: the next
    run reads them in the same order, so evicting the first for the last would leave no hits. A full
    disk is not a failure of the run.

    Args:
        place: the cache folders of the run.
        began_s: start of the run, in seconds since 1970.
    """
    root = place.folder.parent
    with suppress(OSError):
        added = sorted(place.new.glob("[!.]*"), key=_last_use)
        kept = sorted(root.glob("*/*"), key=_last_use)
        total = sum(file.stat().st_size for file in kept)
        for file in added:
            place.folder.mkdir(parents=True, exist_ok=True)
            size = file.stat().st_size
            while kept and total + size > place.max_bytes and _last_use(kept[0]) < began_s:
                total -= kept[0].stat().st_size
                kept.pop(0).unlink()
            if total + size > place.max_bytes:
                break
            file.replace(place.folder / file.name)
            total += size
    shutil.rmtree(place.new, ignore_errors=True)


def _last_use(file: Path) -> float:
    return file.stat().st_mtime
