from tests.stores import *  # noqa: F403  # the fixtures, by its __all__
