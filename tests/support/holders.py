"""The holder of a key at their own machine, with a bundle that somebody gave them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.bundles import PASSPHRASE, Document, World, encode
from tests.unit.signing import keyring

from rstuf.clock import SystemClock
from rstuf.signing.containers import write_container

if TYPE_CHECKING:
    from tests.cli.conftest import Cli, Result

WORLD = World(SystemClock().now())


class Holder:
    """The holder of a key, at their machine.

    Attributes:
        place: the directory that they stand in.
        asked: the questions that they were asked.
        answer: what they say to each.
        opened: for which keys they were asked for a passphrase.
    """

    def __init__(self, cli: Cli, place: Path) -> None:
        self._cli, self.place = cli, place
        self.asked, self.opened = list[str](), list[str]()
        self.answer, self.typed = False, list[str]()
        self.file, self.record = place / "root-v4.rstuf", place / "record"

    def inspect(self, data: bytes, *options: object) -> Result:
        self.file.write_bytes(data)
        return self._cli("bundle", "inspect", self.file, "--holder-dir", self.record, *options)

    def sign(self, data: bytes, *options: object, key: str = "vault.key") -> Result:
        self.file.write_bytes(data)
        return self._cli("bundle", "sign", self.file, "--key", key, "--holder-dir", self.record, *options)

    @property
    def signatures(self) -> list[Path]:
        return sorted(self.place.glob("*.sig"))


def write_key(path: Path, number: int, *, passphrase: bytes | None = PASSPHRASE, kind: str = "ed25519") -> Path:
    """The key file of a holder."""
    path.touch(mode=0o600)
    path.write_bytes(_container(number, passphrase, kind))
    return path


@cache
def _container(number: int, passphrase: bytes | None, kind: str) -> bytes:
    # Its key derivation is slow on purpose.
    return write_container(keyring.private(kind, number), passphrase, where="test")


def marked(result: Result) -> list[str]:
    """The lines of the screen that are marked."""
    return [line for line in result.err.splitlines() if line.startswith("!")]


def sign_it(holder: Holder, document: Document | None = None, *options: object, **how: Any) -> Result:
    """The holder, who knows the repository, agrees to sign."""
    WORLD.record(holder.record)
    holder.answer = True
    return holder.sign(encode(document or WORLD.document(signed_by=(0,))), *options, **how)
