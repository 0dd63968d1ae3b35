"""The modules of users, which `textmill.config.extensions` finds and loads."""

from textmill.config.extensions import search_path

# Files of users' folders are modules of this package; a served model carries some here.
__path__[:] = search_path()
