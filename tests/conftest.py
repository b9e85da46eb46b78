"""What holds for every test."""

from __future__ import annotations

import gc

from hypothesis import settings

# How long an example takes says more about the machine than about the code.
settings.register_profile("rstuf", deadline=None)
settings.load_profile("rstuf")


def pytest_collection_finish() -> None:
    """Leave the modules and the tests themselves out of every collection of garbage: nobody lets go of them."""
    gc.collect()
    gc.freeze()
