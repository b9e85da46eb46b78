"""Where a key is that the guided ceremony asks for: its file looked at, and its table of the plan."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import rstuf
from rstuf.errors import RstufError
from rstuf_cli.guide.interview import Answers
from rstuf_cli.guide.questions import Question, Refused

ONLINE: Final = "online"
KEPT_ELSEWHERE: Final = {"public", "private"}


def key_table(answers: Answers, key: str, name: str) -> dict[str, Any]:
    """The `[keys.…]` table of a key, by the answers about it."""
    how = answers[f"{key}.how"]
    if how == "public":
        return {"public": answers[f"{key}.file"]}
    if how == "private":
        return {"signer": f"file:{answers[f'{key}.file']}"}
    return {"generate": "ed25519", "signer": f"file:keys/{name}.key", "encrypt": how == "make"}


def file_question(name: str, key: str, how: str, used: dict[str, str], *, step: str) -> Question:
    """Asks for the file of a key.

    Args:
        used: files that are taken already, and by whom.
    """
    what = "public half" if how == "public" else "key file"
    return Question(
        name,
        step,
        f"Where is the {what} of {key}?",
        default="",
        teaches="A path from here; ~ is your home directory. Ed25519, ECDSA P-256 and RSA keys will do.",
        why="Its public half is read now, to see that it is a key that clients can verify, and no key twice. No "
        "passphrase is asked for before the end.",
        check=_checked_file(how, used),
    )


def _checked_file(how: str, used: dict[str, str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not text.strip():
            raise Refused("type the path of a file")
        path = Path(text.strip()).expanduser().absolute()
        try:
            found = rstuf.look_at_key(path)
        except RstufError as error:
            raise Refused("; ".join(filter(None, (error.message, error.hint)))) from None
        if how == "public" and found.private:
            raise Refused(f"{path.name} is a PRIVATE key; its holder keeps that, and gives the public half")
        if how == "private" and not found.private:
            raise Refused(f"{path.name} is a public half; it cannot sign")
        for other, holder in used.items():
            if _same(path, Path(other), found):
                raise Refused(f"that is the same key as {holder}; each must be another one")
        return str(path)

    return check


def _same(path: Path, other: Path, found: rstuf.KeyLook) -> bool:
    if path == other:
        return True
    try:
        known = rstuf.look_at_key(other)
    except RstufError:
        return False
    return found.keyid is not None and found.keyid == known.keyid
