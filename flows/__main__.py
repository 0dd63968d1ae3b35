"""The command line, where no script `textmill` is installed: `python -m flows`."""

from flows.cli import app

if __name__ == "__main__":
    app(prog_name="python -m flows")
