"""textmill: raw text in, evaluated and registered GPT models out."""

from textmill.telemetry import switch_off

switch_off()
