"""The command line as a module: `python -m flows.cli`."""

from flows.cli import app

if __name__ == "__main__":
    app(prog_name="python -m flows.cli")
