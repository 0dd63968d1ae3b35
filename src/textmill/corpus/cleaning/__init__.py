"""The step clean: what is done to each document, and which are kept."""
