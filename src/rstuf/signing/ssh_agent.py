"""Keys in an SSH agent: `ssh-agent:SHA256:…`, with the fingerprint that `ssh-add -l` prints.

The private half stays in the agent, which may ask a person, or a token, for each signature. An agent signs the bytes
that it is given: by Ed25519 and ECDSA just as TUF wants it. With RSA it signs by PKCS#1 v1.5 only, which few clients
read, so that a key must be listed for that; keys of FIDO tokens sign a message of their own around ours, and cannot.
What an agent gives is never handed on unverified.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rstuf.errors import InvalidKey, SignerMismatch, SignerUnavailable, SigningError, shorten
from rstuf.metadata.key_identity import check_key, key_identity, verify_signature
from rstuf.model.keys import KeyEntry, KeyId, PublicKey
from rstuf.repository.interfaces import RoleSigner, Secrets, ToldOfWaits
from rstuf.signing.agent_socket import VARIABLE, agent_place, check_place, forwarded_note
from rstuf.signing.agent_wire import (
    AgentFault,
    AgentRefusal,
    Identity,
    ask_signature,
    kind_of,
    list_identities,
    rsa_width,
    two_numbers,
)
from rstuf.signing.public_keys import OPENSSH_KINDS, openssh_public
from rstuf.signing.schemes import FoundKey
from rstuf.signing.uris import SignerUri

SCHEME: Final = "ssh-agent"
LIST_SECONDS: Final = 5.0
# A person has to find the window that asks, or the token that blinks, and its PIN.
SIGN_SECONDS: Final = 180.0

_PREFIX: Final = "SHA256:"
_SHOWN: Final = 5
_HOLDS_NOTHING: Final = "the agent holds no keys, or is locked"
_PUT_IN: Final = "ssh-add KEYFILE puts one in, ssh-add -X unlocks it"
_USE: Final = "use an Ed25519 or ECDSA P-256 key"
_PKCS1: Final = "rsa-pkcs1v15-sha256"
_RSA: Final = "agents sign with RSA by PKCS#1 v1.5 only, which few clients read"


@dataclass(frozen=True, slots=True)
class _Way:
    """How an agent makes the signatures of one scheme: the flags that ask for it, and the name that it answers with."""

    name: bytes
    flags: int = 0


_WAYS: Final[Mapping[str, _Way]] = {
    "ed25519": _Way(b"ssh-ed25519"),
    "ecdsa-sha2-nistp256": _Way(b"ecdsa-sha2-nistp256"),
    _PKCS1: _Way(b"rsa-sha2-256", 2),
    "rsa-pkcs1v15-sha512": _Way(b"rsa-sha2-512", 4),
}


class SshAgent:
    """The `Scheme` of keys in the SSH agent.

    Args:
        socket: where it is; by default where the environment says, each time that it is asked.
        list_seconds, sign_seconds: how long it may take to list its keys, and to sign.
    """

    def __init__(
        self, socket: Path | None = None, *, list_seconds: float = LIST_SECONDS, sign_seconds: float = SIGN_SECONDS
    ) -> None:
        self._socket, self._list_seconds, self._sign_seconds = socket, list_seconds, sign_seconds

    def open(self, uri: SignerUri, entry: KeyEntry, secrets: Secrets) -> RoleSigner:
        """See `Scheme.open`. The agent asks whom it asks when it signs: `secrets` are only told that it does."""
        return _AgentSigner(self, entry, self._find(uri, entry), secrets)

    def look(self, uri: SignerUri, entry: KeyEntry) -> bool:
        """See `Scheme.look`. The agent lists its keys without asking anybody: it is always certain."""
        self._find(uri, entry)
        return True

    def public_of(self, uri: SignerUri, name: str, secrets: Secrets) -> PublicKey:
        """See `Scheme.public_of`. An RSA key is refused: its scheme has to be chosen knowingly, by a key object."""
        key = _public(self._identity(uri, name), name)
        if key.keytype == "rsa":
            raise SignerUnavailable(
                name,
                f"{_RSA}, so it is used only where its scheme says so",
                hint=f"{_USE}; or name a TUF key object whose scheme is {_PKCS1}",
            )
        return key

    def found(self) -> Iterator[FoundKey]:
        """See `Scheme.found`: every key of the agent, once, with what it is called there first."""
        if self._socket is None and agent_place() is None:
            return
        place = self._place(SCHEME)
        note = forwarded_note(place)
        listed = self._list(place, SCHEME)
        if not listed:
            raise SignerUnavailable(SCHEME, _HOLDS_NOTHING, hint=_PUT_IN)
        once: dict[bytes, Identity] = {}
        for identity in listed:
            once.setdefault(identity.blob, identity)
        for identity in once.values():
            yield _found(identity, note)

    def note(self, uri: SignerUri, name: str) -> str | None:
        """See `schemes.Noting`: that the agent is, or may be, another machine's."""
        return forwarded_note(self._place(name))

    def signature(
        self, entry: KeyEntry, blob: bytes, payload: bytes, *, on_wait: Callable[[], None] | None = None
    ) -> str:
        """A signature of the key `blob`, which is the entry's, over `payload`: hex, as its scheme has it.

        Args:
            on_wait: called once where the agent must be asking somebody.

        Raises:
            SignerUnavailable: the agent refuses, does not answer, or answers nonsense.
            SigningError: what it gave is no signature of this key over this payload.
        """
        place, way = self._place(entry.name), _WAYS[entry.key.scheme]
        try:
            kind, value = ask_signature(
                place, blob, payload, flags=way.flags, seconds=self._sign_seconds, on_wait=on_wait
            )
            made = _as_tuf(kind, value, blob) if kind == way.name else None
        except AgentRefusal:
            raise self._refusal(entry.name, blob) from None
        except AgentFault as fault:
            raise SignerUnavailable(entry.name, fault.reason, hint=fault.hint) from None
        if made is None or not verify_signature(entry.key, made, payload):
            raise SigningError(
                f"what the agent gave as a signature of {entry.name} is none: it does not verify",
                hint="nothing was changed; if it happens again, do not trust that agent",
            )
        return made

    def _find(self, uri: SignerUri, entry: KeyEntry) -> bytes:
        """The entry's key as the agent names it; it signs by the entry's scheme."""
        identity = self._identity(uri, entry.name)
        found = _public(identity, entry.name)
        try:
            same = found == entry.key or key_identity(found) == key_identity(entry.key)
            if same:
                check_key(entry.key, where=entry.name)
        except InvalidKey as error:
            raise SignerUnavailable(entry.name, error.reason, hint=error.hint) from None
        if not same:
            raise SignerMismatch(
                entry.name,
                f"{uri} is another key ({found.keyid[:16]}) than the one known by this name ({entry.keyid[:16]})",
                hint="write the fingerprint that ssh-add -l prints for the right key",
            )
        if entry.key.scheme not in _WAYS:
            raise SignerUnavailable(
                entry.name,
                f"{_RSA}, and this key is listed for {entry.key.scheme}",
                hint="name its key file as its signer (file:PATH), or let an Ed25519 or ECDSA P-256 key take its place",
            )
        return identity.blob

    def _identity(self, uri: SignerUri, name: str) -> Identity:
        """What the agent lists under the fingerprint that `uri` names."""
        fingerprint = _fingerprint_in(uri, name)
        listed = self._list(self._place(name), name)
        for identity in listed:
            if _fingerprint(identity.blob) == fingerprint:
                return identity
        if not listed:
            raise SignerUnavailable(name, _HOLDS_NOTHING, hint=_PUT_IN)
        raise SignerUnavailable(
            name, f"{fingerprint} is not in the agent", hint=f"ssh-add KEYFILE puts it in; it holds {_told(listed)}"
        )

    def _list(self, place: Path, name: str) -> list[Identity]:
        try:
            return list_identities(place, seconds=self._list_seconds)
        except AgentRefusal:
            reason = "the agent does not list its keys; it may be locked"
            raise SignerUnavailable(name, reason, hint="ssh-add -X unlocks it") from None
        except AgentFault as fault:
            raise SignerUnavailable(name, fault.reason, hint=fault.hint) from None

    def _place(self, name: str) -> Path:
        place = self._socket or agent_place()
        if place is None:
            raise SignerUnavailable(
                name,
                f"no SSH agent is known here: {VARIABLE} is not set",
                hint="run it where one is known (sudo and cron forget it), or: eval $(ssh-agent); ssh-add KEYFILE",
            )
        try:
            check_place(place)
        except AgentFault as fault:
            raise SignerUnavailable(name, fault.reason, hint=fault.hint) from None
        return place

    def _refusal(self, name: str, blob: bytes) -> SignerUnavailable:
        """Why the agent may have refused: the protocol does not say, but a locked one lists no keys."""
        if all(identity.blob != blob for identity in self._list(self._place(name), name)):
            reason = "the agent holds the key no more, or was locked"
            return SignerUnavailable(name, reason, hint="ssh-add KEYFILE puts it in, ssh-add -X unlocks it")
        return SignerUnavailable(
            name,
            "the agent refused to sign; perhaps it was not confirmed there",
            hint="confirm it where the agent asks; a key added for some hosts only (ssh-add -h) signs nothing else",
        )


class _AgentSigner:
    """A key in the agent; each signature is asked for anew."""

    __slots__ = ("_agent", "_blob", "_entry", "_secrets")

    def __init__(self, agent: SshAgent, entry: KeyEntry, blob: bytes, secrets: Secrets) -> None:
        self._agent, self._entry, self._blob, self._secrets = agent, entry, blob, secrets

    @property
    def keyid(self) -> KeyId:
        return self._entry.keyid

    def sign(self, payload: bytes) -> str:
        return self._agent.signature(self._entry, self._blob, payload, on_wait=self._tell)

    def _tell(self) -> None:
        if isinstance(self._secrets, ToldOfWaits):
            self._secrets.awaited(self._entry.name, "the SSH agent")


def _as_tuf(kind: bytes, value: bytes, blob: bytes) -> str:
    """A signature of the key `blob` as TUF writes its kind, hex: ECDSA in DER, RSA as long as its key."""
    if kind.startswith(b"rsa-"):
        value = value.rjust(rsa_width(blob), b"\0")  # SSH lets zeros in front be left out
    if not kind.startswith(b"ecdsa-"):
        return value.hex()
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    return encode_dss_signature(*two_numbers(value)).hex()


def _found(identity: Identity, note: str | None) -> FoundKey:
    label = _text(identity.comment)
    try:
        key = _public(identity, SCHEME)
    except SignerUnavailable as error:
        return FoundKey(SCHEME, None, None, label, fault=error.reason, note=note)
    uri = f"{SCHEME}:{_fingerprint(identity.blob)}"
    if key.keytype == "rsa":
        key = PublicKey(key.keytype, _PKCS1, key.public)
        return FoundKey(SCHEME, uri, key, label, fault=_RSA, note=note)
    return FoundKey(SCHEME, uri, key, label, note=note)


def _public(identity: Identity, name: str) -> PublicKey:
    """The public half of a key that an agent lists.

    Raises:
        SignerUnavailable: it is of a kind that rstuf does not let in, or damaged.
    """
    try:
        kind = kind_of(identity.blob)
        if b"-cert-" in kind:
            raise SignerUnavailable(
                name,
                "it is a certificate; TUF trusts bare keys",
                hint="ssh-add -l lists the key itself too, where the agent holds it",
            )
        if kind not in OPENSSH_KINDS and not kind.startswith(b"sk-"):
            raise SignerUnavailable(name, f"keys of kind {_text(kind)} are not used", hint=_USE)
        key = openssh_public(kind + b" " + base64.b64encode(identity.blob), where=name)
        check_key(key, where=name)
    except AgentFault as fault:
        raise SignerUnavailable(name, fault.reason, hint=fault.hint) from None
    except InvalidKey as error:
        raise SignerUnavailable(name, error.reason, hint=_USE) from None
    return key


def _fingerprint_in(uri: SignerUri, name: str) -> str:
    """The fingerprint that a URI consists of, in the one way to write it."""
    wrong = SignerUnavailable(
        name,
        f"{shorten(str(uri))!r} does not name a key of an agent",
        hint=f"write {SCHEME}:{_PREFIX}… with the fingerprint that ssh-add -l prints",
    )
    if not uri.rest.startswith(_PREFIX):
        raise wrong
    try:
        digest = base64.b64decode(uri.rest.removeprefix(_PREFIX) + "=", validate=True)
    except (binascii.Error, ValueError):
        raise wrong from None
    if len(digest) != hashlib.sha256().digest_size or _PREFIX + _unpadded(digest) != uri.rest:
        raise wrong
    return uri.rest


def _fingerprint(blob: bytes) -> str:
    return _PREFIX + _unpadded(hashlib.sha256(blob).digest())


def _unpadded(digest: bytes) -> str:
    return base64.b64encode(digest).decode().rstrip("=")


def _told(listed: Sequence[Identity]) -> str:
    """The first keys of an agent, for a message: fingerprints as `ssh-add -l` prints them, and what they are called."""
    shown = [f"{_fingerprint(each.blob)} ({_text(each.comment)})" for each in listed[:_SHOWN]]
    more = [f"{len(listed) - _SHOWN} more"] if len(listed) > _SHOWN else []
    return ", ".join([*shown, *more])


def _text(comment: bytes) -> str:
    return shorten(comment.decode(errors="replace"), limit=60)
