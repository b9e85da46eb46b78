"""Whether the signatures of a file meet a role's threshold, and an account of each of them.

The rules (TUF §4.2, §5.3.4, and what libraries got wrong):

1. Only signatures by key ids that the role lists are looked at; the others are foreign.
2. Of several signatures by one key id the first is looked at, and each key is asked at most once: the work is bounded
   by the list of the role, whatever the file brings.
3. A key value counts once, under however many key ids and spellings the role lists it.
4. A threshold that is not a whole number from 1 on is never met.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rstuf.errors import InvalidKey
from rstuf.metadata.key_identity import key_identity, verify_signature
from rstuf.model.keys import KeyId, PublicKey


class SignatureLike(Protocol):
    """One entry of `signatures`, as a value."""

    @property
    def keyid(self) -> KeyId:
        """Whose it says it is."""

    @property
    def sig(self) -> str:
        """The signature, hex."""


@dataclass(frozen=True, slots=True)
class SignatureResult:
    """Who signed, who did not, and what is to be made of every other signature. True where the threshold is met.

    The role's key ids are in exactly one of `signed`, `repeated`, `unsigned` and `unusable`, in the role's order.

    Attributes:
        threshold: how many distinct keys must sign.
        signed: key ids whose signatures count; one for each distinct key value.
        repeated: key ids whose key value counts already under another key id.
        unsigned: key ids without a signature that verifies.
        unusable: key ids whose key is not given, or cannot be read.
        invalid: those of `unsigned` with a signature that does not verify.
        foreign: key ids of signatures that the role does not list, each once, in the file's order.
        duplicates: listed key ids with more than one signature; stock clients refuse such a file.
    """

    threshold: int
    signed: tuple[KeyId, ...]
    repeated: tuple[KeyId, ...]
    unsigned: tuple[KeyId, ...]
    unusable: tuple[KeyId, ...]
    invalid: tuple[KeyId, ...]
    foreign: tuple[KeyId, ...]
    duplicates: tuple[KeyId, ...]

    def __bool__(self) -> bool:
        return self.ok

    @property
    def ok(self) -> bool:
        """Whether the threshold is met."""
        return type(self.threshold) is int and 1 <= self.threshold <= len(self.signed)

    @property
    def distinct(self) -> int:
        """How many distinct keys signed."""
        return len(self.signed)

    @property
    def missing(self) -> int:
        """How many more distinct keys must sign, 0 where the threshold is met."""
        return max(0, self.threshold - len(self.signed))


def check_signatures(
    payload: bytes,
    signatures: Sequence[Mapping[str, Any] | SignatureLike],
    *,
    keys: Mapping[KeyId, PublicKey],
    keyids: Sequence[KeyId],
    threshold: int,
) -> SignatureResult:
    """Check the signatures over `payload` against the keys of one role. Nothing in them makes it raise.

    Args:
        payload: the canonical bytes of the signed part.
        signatures: entries of the file, as values or as they stand there (`{"keyid": …, "sig": …}`).
        keys: the delegator's keys by key id; a key id need not be the hash of its key.
        keyids: the key ids that may sign the role.
        threshold: how many distinct keys must.
    """
    listed = tuple(dict.fromkeys(keyids))
    offered, foreign, duplicates = _sort(signatures, listed)
    identities = {keyid: _identity(keys.get(keyid)) for keyid in listed}
    counted: dict[bytes, KeyId] = {}
    invalid: list[KeyId] = []
    for keyid in listed:
        identity = identities[keyid]
        if keyid not in offered or identity is None or identity in counted:
            continue
        if verify_signature(keys[keyid], offered[keyid], payload):
            counted[identity] = keyid
        else:
            invalid.append(keyid)
    signed = frozenset(counted.values())
    return SignatureResult(
        threshold=threshold,
        signed=tuple(each for each in listed if each in signed),
        repeated=tuple(each for each in listed if identities[each] in counted and each not in signed),
        unsigned=tuple(each for each in listed if identities[each] is not None and identities[each] not in counted),
        unusable=tuple(each for each in listed if identities[each] is None),
        invalid=tuple(each for each in invalid if identities[each] not in counted),
        foreign=foreign,
        duplicates=duplicates,
    )


def _sort(
    signatures: Iterable[Mapping[str, Any] | SignatureLike], listed: Sequence[KeyId]
) -> tuple[dict[KeyId, str], tuple[KeyId, ...], tuple[KeyId, ...]]:
    """The first signature of each listed key id; foreign key ids; listed key ids that come again."""
    offered: dict[KeyId, str] = {}
    foreign: dict[KeyId, None] = {}
    duplicates: dict[KeyId, None] = {}
    known = frozenset(listed)
    for entry in signatures:
        keyid, sig = (entry.get("keyid"), entry.get("sig")) if isinstance(entry, Mapping) else (entry.keyid, entry.sig)
        if not isinstance(keyid, str):
            continue
        name = KeyId(keyid)
        if name not in known:
            foreign[name] = None
        elif name in offered:
            duplicates[name] = None
        else:
            offered[name] = sig if isinstance(sig, str) else ""
    return offered, tuple(foreign), tuple(duplicates)


def _identity(key: PublicKey | None) -> bytes | None:
    try:
        return None if key is None else key_identity(key)
    except InvalidKey:
        return None
