"""Schemes of signer URIs: each kind of place where private keys are. Its module is imported when it is asked for.

Files are the source's own (`signing.source`); whatever else holds keys joins here, by a class.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Final, Protocol, runtime_checkable

from rstuf.errors import SignerUnavailable, shorten
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.repository.interfaces import RoleSigner, Secrets
from rstuf.signing.uris import FILE_SCHEME, SignerUri

# Where the class of each scheme is; none of these modules is imported before it is needed.
HOMES: Final[Mapping[str, str]] = {
    "awskms": "rstuf.signing.cloud:aws_kms",
    "azurekms": "rstuf.signing.cloud:azure_kms",
    "gcpkms": "rstuf.signing.cloud:gcp_kms",
    "hsm": "rstuf.signing.pkcs11_tokens:TokenKeys",
    "hv": "rstuf.signing.cloud:vault",
    "sigstore": "rstuf.signing.sigstore:SigstoreScheme",
    "ssh-agent": "rstuf.signing.ssh_agent:SshAgent",
}


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key that is there, on this machine or what is plugged into it.

    Attributes:
        scheme: of its URI.
        uri: what to write as its signer; None where it cannot sign.
        key: its public half; None where it does not tell it.
        label: what its place calls it. Text from outside.
        fault: why it cannot be used here, or None.
        note: what else to know before it is used ("asks for a PIN"), or None.
    """

    scheme: str
    uri: str | None
    key: PublicKey | None
    label: str
    fault: str | None = None
    note: str | None = None


class Scheme(Protocol):
    """One kind of place for private keys."""

    def open(self, uri: SignerUri, entry: KeyEntry, secrets: Secrets) -> RoleSigner:
        """The signer of `entry`; it has been compared with the entry's public half, or each of its signatures will be.

        Raises:
            SignerUnavailable, SignerMismatch: it cannot be reached, or is another key.
            PassphraseNeeded, WrongPassphrase: it stays closed.
        """

    def look(self, uri: SignerUri, entry: KeyEntry) -> bool:
        """That the key is there, as far as that shows without asking anybody, and without the network.

        Returns:
            Whether it is certain that it is this key.

        Raises:
            SignerUnavailable, SignerMismatch: it is not, or is another one.
        """

    def public_of(self, uri: SignerUri, name: str, secrets: Secrets) -> PublicKey:
        """The public half of the key that `uri` names; `name` is for messages.

        Raises:
            SignerUnavailable: it cannot be reached, or is of a kind that rstuf does not let in.
            PassphraseNeeded, WrongPassphrase: it stays closed.
        """

    def found(self) -> Iterator[FoundKey]:
        """The keys that are there, asking nobody; none where nothing of this kind is.

        Raises:
            SignerUnavailable: something of this kind is there, and cannot be looked at.
        """


@runtime_checkable
class Noting(Protocol):
    """A scheme that may have to say something of a key before it is used."""

    def note(self, uri: SignerUri, name: str) -> str | None:
        """What whoever uses the key that `uri` names should know; None where there is nothing. Asks nobody.

        Raises:
            SignerUnavailable: it cannot be reached.
        """


@runtime_checkable
class MakingScheme(Scheme, Protocol):
    """A kind of place in which keys are made, too. What is made there is there at once, and stays."""

    def make(self, uri: SignerUri, name: str, scheme: str, secrets: Secrets) -> tuple[PublicKey, str]:
        """Make a key pair where `uri` says; `scheme` is "ed25519", "ecdsa" (P-256) or "rsa".

        Returns:
            Its public half, and the URI to know it by.

        Raises:
            InvalidKey: the place is taken, or keeps no keys of this kind.
            SignerUnavailable: it cannot be reached, or makes no keys.
            PassphraseNeeded, WrongPassphrase: it stays closed.
        """


def load_scheme(uri: SignerUri, schemes: Mapping[str, Scheme | str], *, key: str) -> Scheme:
    """The scheme of a URI.

    Args:
        schemes: classes by name: one that is ready, or where it is (`module:Class`).

    Raises:
        SignerUnavailable: there is none; the known ones are named.
    """
    home = schemes.get(uri.scheme)
    if home is None:
        known = ", ".join(sorted({FILE_SCHEME, *schemes}))
        raise SignerUnavailable(
            key, f"there is no signer for {shorten(uri.scheme)}: URIs", hint=f"the schemes known here: {known}"
        )
    if not isinstance(home, str):
        return home
    module, _, name = home.partition(":")
    made: Scheme = getattr(import_module(module), name)()
    return made
