"""What somebody most likely meant by a word that is not known."""

from __future__ import annotations

from typing import Any, Final

from rstuf_cli.failures import UsageFault
from rstuf_cli.help import verbs_of

# What others call the first thing to do.
_BEGIN: Final = frozenset({"bootstrap", "create", "init", "initialise", "initialize", "new", "setup", "start"})


def unknown_command(ctx: Any, word: str) -> UsageFault:
    """The error for a word that is no command behind those of `ctx`.

    A verb without its noun (`rstuf add`), or behind a wrong one, is known by its last word.
    """
    from rstuf.errors import nearest, shorten

    root = ctx.find_root()
    paths = [path for path, _ in verbs_of(root.command)]
    here = {path: f"{ctx.command_path} {path}" for path, _ in verbs_of(ctx.command)}
    # Of verbs with several nouns the one that comes first in the program is used most.
    anywhere = {path.rpartition(" ")[2]: f"{root.command_path} {path}" for path in reversed(paths)}
    nouns = {path.partition(" ")[0]: f"{root.command_path} {path.partition(' ')[0]}" for path in paths if " " in path}
    known = {**anywhere, **nouns, **here}
    begins = ctx.parent is None and word.casefold() in _BEGIN
    meant = "ceremony" if begins else nearest(word, known)
    help_ = f"{ctx.command_path} --help"
    hint = f"did you mean {known[meant]}? {help_} lists what there is" if meant is not None else help_
    among = f" in {ctx.command_path}" if ctx.parent is not None else ""
    return UsageFault(f"there is no command {shorten(word)!r}{among}", hint=hint)


def unknown_option(error: Any, *, command: str | None) -> UsageFault:
    """The error for an option that the parser does not know; it brings those that are like it."""
    from rstuf.errors import nearest, shorten

    meant = nearest(error.option_name, error.possibilities or ())
    help_ = f"{command} --help" if command is not None else None
    hint = f"did you mean {meant}? {help_} lists them" if meant is not None and help_ is not None else help_
    return UsageFault(f"there is no option {shorten(error.option_name)}", hint=hint)
