"""The command line, where no script `textmill` is installed: `python -m textmill_flows`."""

from textmill_flows.cli import app

if __name__ == "__main__":
    app(prog_name="python -m textmill_flows")
