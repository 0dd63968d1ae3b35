"""textmill: raw text in, evaluated and registered GPT models out."""
