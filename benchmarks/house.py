"""How many files a change of textmill touches, tried for real.

    python -m benchmarks.house [kind filter step score]

Each change of `house_changes.py` is applied to a copy of the tracked sources. The copy has to pass
mypy, the contracts on imports and the tests of modules and public names, and is run on tiny data,
where `house_trials.py` says what the change has to bring about. Prints the files that each touches
beside its target, tests and documentation aside; exits with 1 if a target is missed, or a change
does not work.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.house_changes import CHANGES, TESTS, apply, copy_sources, touched
from benchmarks.house_trials import TRIALS, Product


def measure(name: str, folder: Path) -> tuple[list[str], list[str]]:
    """Apply a change and run it; return the files it touches, and what it fails to bring about.

    Args:
        name: of the change.
        folder: an empty folder.

    Raises:
        ValueError: it cannot be applied.
        RuntimeError: a command fails in the changed tree.
    """
    tree, home = folder / "tree", folder / "home"
    home.mkdir()
    copy_sources(tree)
    apply(CHANGES[name], tree)
    files = touched(tree)
    product = Product(tree, home)
    product.python("-m", "mypy", f"--cache-dir={folder.parent / 'mypy'}", cwd=tree)
    product.python(str(Path(sys.executable).with_name("lint-imports")), cwd=tree)
    product.python("-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTS, cwd=tree)
    claims = TRIALS[name](product)
    return files, [claim for claim, is_so in claims.items() if not is_so]


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("changes", nargs="*", choices=[*CHANGES, []], metavar="CHANGE")
    names = parser.parse_args().changes or list(CHANGES)
    print("| change | files touched | target | holds | s |\n|---|---|---|---|---|")
    are_met = []
    with tempfile.TemporaryDirectory() as home:
        for name in names:
            change, began_s = CHANGES[name], time.monotonic()
            folder = Path(home, name)
            folder.mkdir()
            files, failures = measure(name, folder)
            are_met.append(change.holds(files) and not failures)
            holds = "; ".join(f"not so: {one}" for one in failures) or (
                "yes" if are_met[-1] else "**missed**"
            )
            listed = f"{len(files)}: {', '.join(f'`{file}`' for file in files)}"
            seconds = f"{time.monotonic() - began_s:.0f}"
            row = [change.title, listed, change.target, holds, seconds]
            print(f"| {' | '.join(row)} |", flush=True)
    sys.exit(not all(are_met))


if __name__ == "__main__":
    main()
