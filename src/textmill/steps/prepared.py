"""The store's cache of prepared documents: which folder fits a run, and how large all may grow."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from textmill.config import CleanConfig, key_values
from textmill.files import CachePlace, digest_values
from textmill.steps.sources import Source, is_in_corpus
from textmill.steps.step import Step, code_of

PREPARED_TAG = "textmill.prepared"
"""On a run of the clean step: the folder of prepared documents that fits it."""
FOLDER = "prepared"
_PREPARING = Step(
    "preparing", "textmill.corpus.cleaning.workers.cache:PreparedCache", loads=("{filters}",)
)
_NOT_READ = {"sources", "exact_duplicates", "validation_share", "max_bad_share"}
_NOT_SKETCHED = {"threshold", "max_candidates"}


def prepared_key(config: CleanConfig, sources: Iterable[Source]) -> str:
    """Return a digest of all that can change a prepared document but the document itself.

    Settings count unless preparing surely does not read them, and so does the content of the test
    sets that documents are compared with.
    """
    settings = {name: v for name, v in key_values(config).items() if name not in _NOT_READ}
    near = settings["near_duplicates"]
    settings["near_duplicates"] = {n: v for n, v in near.items() if n not in _NOT_SKETCHED}
    code = code_of(_PREPARING, settings)
    tests = {s.name: s.digest for s in sources if not is_in_corpus({"context": s.context})}
    return digest_values([settings, code.modules, code.packages, tests])


def cache_place(home: Path, key: str, work: Path, max_gib: float) -> CachePlace | None:
    """Return where a run finds and puts prepared documents; None if none are to be kept.

    Args:
        home: of the store.
        key: what `prepared_key` gives.
        work: a folder of the run.
        max_gib: the size that the whole cache may have.
    """
    if not max_gib:
        return None
    new = work / FOLDER
    shutil.rmtree(new, ignore_errors=True)  # of a run that did not end well
    return CachePlace(home / FOLDER / key, new, int(max_gib * 2**30))


def keep_prepared(place: CachePlace, began_s: float) -> None:
    """Move what a run has added into its place, as far as there is room.

    What was not used for longest goes for it; what this run has read or added stays, as the next
    one will read it in the same order: to give up its beginning for its end would leave it nothing.
    A disk that does not take it is no failure of the run.

    Args:
        place: what the run was given.
        began_s: when it was, in seconds since 1970.
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
