"""Keys in cloud services, through securesystemslib: `awskms:`, `gcpkms:`, `azurekms:` and, for Vault, `hv:`.

Whoever asks is known by what their environment holds, as the service's own tools have it; rstuf neither asks for it nor
keeps it. A key is not compared before it signs: that would be one more question over the network, for which the right
is often not given. Every signature is verified instead, before it is handed on: another key is noticed, nothing of it
is published.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from re import Match
from typing import Any, Final, TypeVar

from rstuf.errors import InvalidKey, SignerMismatch, SignerUnavailable, shorten
from rstuf.metadata.key_identity import check_key, same_form, verify_signature
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.repository.interfaces import RoleSigner, Secrets
from rstuf.signing.cloud_faults import Trouble, name_of, trouble_of
from rstuf.signing.cloud_services import AWS, AZURE, GCP, VAULT, Service
from rstuf.signing.schemes import FoundKey
from rstuf.signing.uris import SignerUri

T = TypeVar("T")

_REASONS: Final[Mapping[Trouble, str]] = {
    Trouble.PLACE: "no region is named",
    Trouble.CREDENTIALS: "it is not told who asks, or does not believe it",
    Trouble.DENIED: "it does not let whoever asks use this key",
    Trouble.MISSING: "it knows no such key",
    Trouble.AWAY: "the key is switched off, or being deleted",
    Trouble.KIND: "this is no key by which it signs for TUF, or not in this version",
    Trouble.BUSY: "it takes no more requests for now",
    Trouble.NETWORK: "it cannot be reached, or fails itself",
    Trouble.UNKNOWN: "it failed",
}
_HINTS: Final[Mapping[Trouble, str]] = {
    Trouble.AWAY: "switch it on again there, or let another key take its place",
    Trouble.BUSY: "wait a minute and run it again; fewer bins are fewer signatures",
    Trouble.NETWORK: "look at the network and any proxy, and run it again",
    Trouble.UNKNOWN: "nothing was changed; use the key with the service's own tool, which says more",
}
# Not "securesystemslib" itself: its handler writes to stderr, and gets what a logger below hands on.
_LOGGERS: Final = ("securesystemslib.signer", "azure", "msal", "google", "hvac")


class CloudScheme:
    """The `Scheme` of the keys of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def open(self, uri: SignerUri, entry: KeyEntry, secrets: Secrets) -> RoleSigner:
        """See `Scheme.open`. It is compared when it signs: see `CloudSigner.sign`."""
        self.look(uri, entry)
        try:
            plain = same_form(entry.key, where=entry.name)
        except InvalidKey as error:
            raise SignerUnavailable(entry.name, error.reason, hint=error.hint) from None
        from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

        key = SSlibKey(entry.keyid, plain.keytype, plain.scheme, {"public": plain.public})
        signer = _asked(self._service, entry.name, lambda: _class(self._service).from_priv_key_uri(str(uri), key))
        return CloudSigner(self._service, uri, entry, signer)

    def look(self, uri: SignerUri, entry: KeyEntry) -> bool:
        """See `Scheme.look`: that it could be asked. It is not, so that nothing of this is ever certain."""
        self._match(uri, entry.name)
        self._check_extra(entry.name)
        if entry.key.scheme not in self._service.schemes:
            raise SignerUnavailable(
                entry.name,
                f"{self._service.called} does not sign by {shorten(entry.key.scheme)}, which this key is listed for",
                hint=self._service.hints[Trouble.KIND],
            )
        return False

    def public_of(self, uri: SignerUri, name: str, secrets: Secrets) -> PublicKey:
        """See `Scheme.public_of`. The service is asked for it, over the network."""
        match = self._match(uri, name)
        self._check_extra(name)
        by_file = f"give its public half: rstuf key add {name} FILE --signer {uri}"
        wanted = [match[group] for group in self._service.told_by]
        if None in wanted:
            raise SignerUnavailable(name, "public halves are read from VAULT.vault.azure.net alone", hint=by_file)
        told_uri, told = _asked(
            self._service, name, lambda: _told(self._service, wanted), strange=(KeyError, TypeError, ValueError)
        )
        if _version(told_uri) != _version(str(uri)):
            reason = f"{self._service.called} tells the public half of its newest version alone: {shorten(told_uri)}"
            raise SignerUnavailable(name, reason, hint=f"write that one, or {by_file}")
        try:
            check_key(told, where=name)
            return same_form(told, where=name)
        except InvalidKey as error:
            raise SignerUnavailable(name, error.reason, hint=self._service.hints[Trouble.KIND]) from None

    def found(self) -> Iterator[FoundKey]:
        """See `Scheme.found`. None: what a service keeps is not on this machine."""
        return iter(())

    def _match(self, uri: SignerUri, key: str) -> Match[str]:
        match = self._service.form.fullmatch(uri.rest)
        if match is None:
            reason = f"{shorten(str(uri))!r} does not name a key of {self._service.called}"
            raise SignerUnavailable(key, reason, hint=f"write {self._service.written}")
        return match

    def _check_extra(self, key: str) -> None:
        if not all(map(_is_there, self._service.modules)):
            raise _unavailable(self._service, key, Trouble.EXTRA)


class CloudSigner:
    """A key of a service; each signature is one request."""

    __slots__ = ("_entry", "_service", "_signer", "_uri")

    def __init__(self, service: Service, uri: SignerUri, entry: KeyEntry, signer: Any) -> None:
        self._service, self._uri, self._entry, self._signer = service, uri, entry, signer

    @property
    def keyid(self) -> KeyId:
        """The key it signs with."""
        return self._entry.keyid

    def sign(self, payload: bytes) -> str:
        """The signature over `payload`, hex, verified.

        Raises:
            SignerUnavailable: the service did not sign.
            SignerMismatch: what it signed is not by this key.
        """
        name = self._entry.name
        made = _asked(self._service, name, lambda: str(self._signer.sign(payload).signature))
        if not verify_signature(self._entry.key, made, payload):
            raise SignerMismatch(
                name,
                f"what {self._service.called} signed with {self._uri} is not by the key known by this name"
                f" ({self._entry.keyid[:16]})",
                hint="write the URI of the right key; an alias may lead to another one by now",
            )
        return made


aws_kms = partial(CloudScheme, AWS)
gcp_kms = partial(CloudScheme, GCP)
azure_kms = partial(CloudScheme, AZURE)
vault = partial(CloudScheme, VAULT)


def _asked(service: Service, key: str, question: Callable[[], T], *, strange: tuple[type[Exception], ...] = ()) -> T:
    """What a library answers; whatever it raises, in our words.

    Args:
        strange: what it raises over an answer about a key of another kind, which has not what it reads.

    Raises:
        SignerUnavailable: it raised something. Its own text is not repeated, nor kept behind this one.
    """
    try:
        return question()
    except Exception as error:
        trouble = trouble_of(error)
        if trouble is Trouble.UNKNOWN and isinstance(error, strange):
            trouble = Trouble.KIND
        told = _unavailable(service, key, trouble, name_of(error))
    raise told


def _unavailable(service: Service, key: str, trouble: Trouble, name: str = "") -> SignerUnavailable:
    if trouble is Trouble.EXTRA:
        reason = f"what asks {service.called} is not installed"
        return SignerUnavailable(key, reason, hint=f"pip install 'rstuf[{service.extra}]'")
    hint = service.hints.get(trouble) or _HINTS.get(trouble)
    return SignerUnavailable(key, f"{service.called}: {_REASONS[trouble]} ({name})", hint=hint)


def _told(service: Service, wanted: list[str]) -> tuple[str, PublicKey]:
    """The URI and the public half that the service tells of a key."""
    uri, key = _class(service).import_(*wanted)
    return str(uri), PublicKey(key.keytype, key.scheme, key.keyval["public"])


def _class(service: Service) -> Any:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        # What these log quotes what a service answered, secrets with it: nobody gets that unless they ask this logger.
        logger.propagate = False
        if not logger.handlers:
            logger.addHandler(logging.NullHandler())
    return getattr(import_module("securesystemslib.signer"), service.signer)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False  # what it is in is not there
    except ValueError:
        return True  # loaded, by something that does not say from where


def _version(uri: str) -> str:
    return uri.rpartition("/")[2].lower()
