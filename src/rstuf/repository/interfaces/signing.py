"""Private keys, open and ready; where they come from, and where passphrases do; who else looks at signatures."""

from __future__ import annotations

from collections.abc import Set
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rstuf.metadata.render import SignedFile
    from rstuf.metadata.views import RoleKeys
    from rstuf.model.keys import KeyEntry, KeyId, PublicKey


class RoleSigner(Protocol):
    """One private key, open and ready."""

    @property
    def keyid(self) -> KeyId:
        """The key it signs with."""

    def sign(self, payload: bytes) -> str:
        """The signature over `payload`, hex.

        Raises:
            SigningError: the key did not sign.
        """


class SignerSource(Protocol):
    """Opens private keys by signer URI."""

    def open(self, entry: KeyEntry) -> RoleSigner:
        """The signer of `entry`; its public half is compared with the entry's.

        Raises:
            SignerUnavailable: it has no URI, cannot be reached, or is another key.
            PassphraseNeeded, WrongPassphrase: the key is encrypted and stays closed.
            UnsafeDirectory: the key is not encrypted and others can read it.
        """

    def look(self, entry: KeyEntry) -> bool:
        """That `entry` is where it should be, as far as that shows without opening it: nobody is asked.

        Returns:
            Whether it is certain that it is this key; else only opening it tells.

        Raises:
            SignerUnavailable, UnsafeDirectory: as `open` would.
            StorageError: the disk fails.
        """

    def public_of(self, name: str, uri: str) -> PublicKey:
        """The public half of the private key that `uri` names, which is opened for it.

        The next `open` of it asks nobody.

        Raises:
            SignerUnavailable: it cannot be reached, or does not tell it.
            PassphraseNeeded, WrongPassphrase, UnsafeDirectory: as `open` says.
        """


class NewKey(Protocol):
    """A key that was made and is not saved yet."""

    @property
    def entry(self) -> KeyEntry:
        """Its name, public half and signer URI."""

    @property
    def signer(self) -> RoleSigner:
        """It can sign at once."""

    def save(self) -> None:
        """Write it, durably, readable by its owner alone, with its public half beside it.

        Raises:
            InvalidKey: its place is taken by something else.
        """


class KeyMaker(Protocol):
    """Makes keys and reads public halves: the ceremony's side of signing."""

    def generate(self, name: str, scheme: str, uri: str, *, encrypt: bool, reuse: bool, added: datetime) -> NewKey:
        """A new key pair for the place `uri` names; `scheme` is "ed25519", "ecdsa" (P-256) or "rsa".

        Args:
            encrypt: protect it with a passphrase, asked of `Secrets`.
            reuse: a key that is in that place already and opens is taken as it is (an interrupted ceremony goes on).

        Raises:
            InvalidKey: the place is taken, or the scheme is unknown.
        """

    def read_public(self, location: str) -> PublicKey:
        """The public key in a file: PEM, OpenSSH, or a TUF key object.

        Raises:
            InvalidKey: it cannot be read, or is not a kind that rstuf signs with.
        """


class Secrets(Protocol):
    """Where passphrases come from. The engine never prompts; it asks this."""

    def passphrase(self, key: str, *, new: bool) -> bytes:
        """The passphrase of the key with that name; `new` when one is chosen, which a person types twice.

        Raises:
            PassphraseNeeded: there is none and nobody can be asked.
        """

    def may_try_again(self, key: str) -> bool:
        """Told that the passphrase did not open the key: whether it is worth asking for it once more."""

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        """The PIN of the token that holds the key with that name.

        A token locks itself after a few wrong ones. So what was given for all keys is never taken for a PIN, and a
        wrong one is not tried again: whoever gets `WrongPin` asks no second time by itself.

        Args:
            token: what the token calls itself. Text from outside.
            last_try: one more wrong PIN locks the token; only a person who is told so may go on.

        Raises:
            PinNeeded: there is none for this key and nobody can be asked; or it is the last try, and nobody is here.
        """


@runtime_checkable
class ToldOfWaits(Protocol):
    """What `Secrets` may be, too: somebody who would not know that something elsewhere waits for them."""

    def awaited(self, key: str, where: str) -> None:
        """Told that a signature of the key with that name waits for somebody at `where`, in words."""


class Watch(Protocol):
    """Looks at the signatures of one release while more of them are made."""

    def show(self, file: SignedFile) -> None:
        """Have the signatures of a file checked, where there is room for it now. Never waits, never fails."""

    def found_good(self) -> Set[str]:
        """The sha256 of files that were shown and are signed up to the threshold; waits for the last of them.

        A file that is not among them has still to be checked, and may be good too. The last call.
        """


class Witness(Protocol):
    """Takes the checking of many signatures off whoever makes them."""

    def watching(self, keys: RoleKeys, *, files: int) -> AbstractContextManager[Watch]:
        """A watch over about `files` files that must be signed by `keys`."""
