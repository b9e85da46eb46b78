"""`rstuf completion`: the script that lets a shell complete what is typed."""

from __future__ import annotations

from typing import Annotated

import typer

from rstuf_cli.run import run_of
from rstuf_cli.shells import SCRIPTS, Shell

EXAMPLES = {
    "completion": """
rstuf completion bash    to be read in ~/.bashrc
rstuf completion zsh     to be read in ~/.zshrc, after compinit
rstuf completion fish    to be ~/.config/fish/completions/rstuf.fish
"""
}


def completion(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print a script that completes commands, options and names.

    bash and zsh read it by eval "$(rstuf completion bash)", or zsh. Artifacts, roles, keys and what you trust come
    from where you stand. Looking for them changes nothing, waits for nobody, and offers nothing where something is
    wrong.
    """
    console = run_of(ctx).console
    console.document({"shell": str(shell), "script": SCRIPTS[shell]})
    if not console.is_json:
        console.raw(SCRIPTS[shell].encode())
