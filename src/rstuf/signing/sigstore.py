"""`sigstore:` URIs, which securesystemslib knows and rstuf refuses, with the reason: see ADR 0023."""

from __future__ import annotations

from collections.abc import Iterator

from rstuf.errors import SignerUnavailable
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.repository.interfaces import RoleSigner, Secrets
from rstuf.signing.schemes import FoundKey
from rstuf.signing.uris import SignerUri


class SigstoreScheme:
    """The `Scheme` of identities that Sigstore vouches for: none of them signs."""

    def open(self, uri: SignerUri, entry: KeyEntry, secrets: Secrets) -> RoleSigner:
        """Never a signer.

        Raises:
            SignerUnavailable: always.
        """
        raise _refusal(entry.name)

    def look(self, uri: SignerUri, entry: KeyEntry) -> bool:
        """Never there.

        Raises:
            SignerUnavailable: always.
        """
        raise _refusal(entry.name)

    def public_of(self, uri: SignerUri, name: str, secrets: Secrets) -> PublicKey:
        """Never a public half.

        Raises:
            SignerUnavailable: always.
        """
        raise _refusal(name)

    def found(self) -> Iterator[FoundKey]:
        """None."""
        return iter(())


def _refusal(key: str) -> SignerUnavailable:
    return SignerUnavailable(
        key,
        "TUF clients do not read Sigstore keys: metadata that lists one is refused whole, and nothing can be downloaded"
        " any more",
        hint="use an ECDSA P-256 key of a hardware token or a cloud KMS, or a key file",
    )
