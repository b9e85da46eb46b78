"""Putting something else in the place of a part of rstuf, in this process; a part that is not there is an error."""

from __future__ import annotations

import sys
from typing import Any


def replace_everywhere(old: object, new: object) -> None:
    """Put `new` in the place of `old`, under whatever name a module of rstuf has it.

    Raises:
        LookupError: no module has it.
    """
    found = 0
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in ("rstuf", "rstuf_cli"):
            for attribute in [key for key, value in vars(module).items() if value is old]:
                setattr(module, attribute, new)
                found += 1
    if not found:
        raise LookupError(f"{old!r} is not there to be replaced")


def replace_method(owner: Any, name: str, new: object) -> Any:
    """Put `new` in the place of a method that `owner` itself defines; what was there.

    Raises:
        LookupError: it defines none of this name.
    """
    if name not in vars(owner):
        raise LookupError(f"{owner.__module__}.{owner.__qualname__} has no {name} to be replaced")
    old = getattr(owner, name)
    setattr(owner, name, new)
    return old
