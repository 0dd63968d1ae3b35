"""The guides in docs/ as the tests read them: their blocks of commands, and how to run each."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
SKIP_REASONS = {
    "needs a network",
    "needs docker",
    "needs several GPUs",
    "needs several machines",
    "needs a Prefect server",
}
"""Why the commands of a block may stay untried."""
AFTER_THE_DEMO = "<!-- after: first-run.md -->"
"""In a page that begins where the demo has run."""
FENCE = re.compile(
    r"(?:^<!-- (?P<marker>[a-z]+): (?P<value>[^\n]+) -->\n+)?^```bash\n(?P<text>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """The commands of one block."""

    page: str
    text: str
    marker: str | None
    """How to run it, if not as it is. skip: the value says why it is not run; exits: it fails with
    that status; until: it does not end, and is ready when it prints the value or serves that URL.
    """
    value: str

    def script(self, number: int) -> str:
        """Return what bash runs for it."""
        if self.marker == "skip":
            return ""
        if self.marker == "exits":
            return f"status=0\n(\n{self.text}) || status=$?\n[ $status = {int(self.value)} ]\n"
        if self.marker == "until":
            log, ready_at = f"block-{number}", shlex.quote(self.value)
            return f"(\n{self.text}) &> {log} &\nready {log} {ready_at}\n"
        return self.text


def pages() -> list[Path]:
    """Return all pages of docs/."""
    return sorted(DOCS.rglob("*.md"))


def blocks(page: Path) -> list[Block]:
    """Return the blocks of commands of a page, in their order."""
    name = page.relative_to(DOCS).as_posix()
    return [
        Block(name, match["text"], match["marker"], match["value"] or "")
        for match in FENCE.finditer(page.read_text(encoding="utf-8"))
    ]


def script(page: Path) -> str:
    """Return one script for all commands of a page, which ends with the first that fails."""
    return "\n".join([PROLOGUE, *(b.script(i) for i, b in enumerate(blocks(page))), EPILOGUE])


PROLOGUE = """\
set -euo pipefail
set -m  # commands in the background get Ctrl-C too
servers=()
trap '((${#servers[@]} == 0)) || kill -KILL -- "${servers[@]/#/-}" 2> /dev/null || true' EXIT
ready() {  # FILE WHAT: wait until the last command in the background has printed it, or serves it
    servers+=($!)
    set +x
    until case $2 in
        http*) curl --silent --fail --noproxy '*' --output /dev/null "$2" ;;
        *) grep -qF "$2" "$1" ;;
    esac; do
        kill -0 $! || { cat "$1"; return 1; }
        sleep 0.2
    done
    set -x
}
set -x
"""
EPILOGUE = """\
for pid in "${servers[@]}"; do
    kill -INT -- "-$pid"
    wait "$pid" || true
done
servers=()
"""
