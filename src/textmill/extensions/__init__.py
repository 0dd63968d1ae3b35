"""The modules of users, which `textmill.config.extensions` finds and loads."""

from textmill.config.extensions import search_path

__all__: list[str] = []  # which modules there are, only configurations say

# Files of users' folders are modules of this package; a served model carries some here.
__path__[:] = search_path()
