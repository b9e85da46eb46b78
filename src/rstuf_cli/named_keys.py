"""The keys of a repository by their names."""

from __future__ import annotations

from typing import Any

import rstuf
from rstuf.errors import InvalidInput


def find_key(repository: rstuf.Repository, name: str) -> rstuf.KeyView:
    """A key by its name.

    Raises:
        InvalidInput: none is called that.
    """
    views = repository.view_keys()
    for view in views:
        if view.entry.name.lower() == name.lower():
            return view
    raise InvalidInput(f"no key is called {name}", hint=f"its keys: {', '.join(view.entry.name for view in views)}")


def names_of(repository: rstuf.Repository) -> dict[Any, str]:
    """The name of each key, by its keyid."""
    return {entry.keyid: entry.name for entry in repository.keys()}
