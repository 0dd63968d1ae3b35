"""textmill: raw text in, evaluated and registered GPT models out."""

from textmill.telemetry import switch_off

__all__ = ["__version__"]

__version__: str

switch_off()


def __getattr__(name: str) -> str:
    # Looked up when asked for: reading the installed metadata would slow down every import.
    if name == "__version__":
        from importlib.metadata import version

        return version("textmill")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
