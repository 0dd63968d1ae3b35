"""The command line as a module: `python -m textmill_flows.cli`."""

from textmill_flows.cli import app

if __name__ == "__main__":
    app(prog_name="python -m textmill_flows.cli")
