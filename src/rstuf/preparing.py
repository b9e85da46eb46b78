"""A role's next version, made and signed on the machine of whoever may sign it: no workspace, and nobody else's key.

It begins with what clients see of the role, verified from a pinned root as a client verifies it; so whoever makes it
signs nothing that stands on a mirror's word. It is judged and shown as every other thing that a key holder signs, and
what comes of it is a plain TUF file that any repository could publish.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from rstuf.client.anchors import MAX_ROOT_BYTES
from rstuf.durable import PUBLIC_FILE, How, write_file
from rstuf.errors import (
    ArtifactConflict,
    ArtifactNotFound,
    InvalidInput,
    InvalidMetadata,
    StorageError,
    shorten,
)
from rstuf.holder.anchors import TrustSource
from rstuf.holder.review import Review, review_bundle
from rstuf.metadata.bins import PREFIX
from rstuf.metadata.bundle import Bundle, BundlePart, SignatureDocument
from rstuf.metadata.delegations import named_delegations
from rstuf.metadata.fragments import row_of
from rstuf.metadata.render import part_of, renewed_part, sign_with, versioned
from rstuf.metadata.tree import Delegator, Tree
from rstuf.metadata.views import Signature, open_envelope
from rstuf.model.artifacts import MAX_INTEGER
from rstuf.model.names import TARGETS, RoleName, TargetPath
from rstuf.progress import Progress, Silent, step
from rstuf.repository.reading import HashOnly, Reading, Source

if TYPE_CHECKING:
    from rstuf.client.reader import Client, RoleFiles
    from rstuf.holder.record import HolderRecord

YEAR: Final = timedelta(days=365)
"""How long a role lives by default: as long as by the default policy of a repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is to become of a role.

    Attributes:
        add: files that it lists from then on.
        remove: paths that it lists no more.
        replace: whether a path that it lists may get another content.
        custom: the publisher's data for each of `add`; None where there are none.
        lives: how long it lives from now on.
        version: the one that it is to have; None for the one above what clients see.
    """

    add: Iterable[Source] = ()
    remove: Sequence[TargetPath] = ()
    replace: bool = False
    custom: Mapping[str, Any] | None = None
    lives: timedelta = YEAR
    version: int | None = None


@dataclass(frozen=True, slots=True)
class PreparedRole:
    """A role's next version, judged and not signed yet.

    Attributes:
        review: what its signer must see; it holds the bytes that they sign.
        before: the version that clients see.
        added, replaced, removed: paths, against what they see.
        ahead: the newest version that its signer signed, where that is above `before`: either it never came out, or
            the mirror is behind and this would undo what it changed. None where there is none.
    """

    review: Review
    before: int
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]
    ahead: int | None = None

    @property
    def role(self) -> RoleName:
        """The role."""
        return self.review.bundle.parts[0].role

    @property
    def version(self) -> int:
        """The version that it will have."""
        return self.review.bundle.parts[0].version

    @property
    def file_name(self) -> str:
        """The name that TUF gives its file."""
        return versioned(self.role, self.version)

    @property
    def threshold(self) -> int:
        """How many must sign it."""
        return self.review.parts[0].sides[0].threshold


def prepare_role(
    client: Client,
    name: RoleName,
    change: Preparation,
    *,
    now: datetime,
    record: HolderRecord | None = None,
    progress: Progress | None = None,
) -> PreparedRole:
    """The next version of a role, over what clients see of it now. Writes nothing but what the client remembers.

    Raises:
        RepositoryRefused, StorageError: what clients see cannot be trusted, or not be had.
        RoleNotFound: nothing leads to a role of that name.
        InvalidInput, ArtifactConflict, ArtifactNotFound: it cannot be changed like that.
        ProposalRefused: nobody should sign that; AnchorNeeded, RecordDamaged: nobody can judge it.
    """
    files = client.delegated(name)
    signed, delegators = _taken_apart(files, name)
    targets, changes = _changed(signed["targets"], change, progress or Silent(), role=name)
    _refuse_misplaced(delegators, name, signed, (*changes.added, *changes.replaced))
    version = _version(files.version, change.version)
    expires = (now + change.lives).replace(microsecond=0)
    unsigned = renewed_part(name, {**signed, "targets": targets}, version=version, expires=expires)
    bundle = Bundle(
        repository=client.trusted.name,
        first_root=_first_root(client),
        chain=files.roots,
        parts=(BundlePart(role=name, signed=orjson.loads(unsigned.data)),),
        names={},
        delegators=tuple(delegators.values()),
    )
    known = record.get(bundle.first_root) if record is not None else None
    if known is not None and known.root is not None:
        bundle = replace(bundle, repository=known.repository or bundle.repository)
    review = review_bundle(
        bundle,
        now=now,
        trusted=client.root,
        trusted_from=TrustSource.PINNED,
        max_expiry=change.lives,
        record=record,
    )
    signed_before = () if known is None else known.signed
    newest = max((each.version for each in signed_before if each.role == name), default=0)
    ahead = newest if newest > files.version else None
    return PreparedRole(review, files.version, changes.added, changes.replaced, changes.removed, ahead)


def signed_file(prepared: PreparedRole, signatures: Iterable[SignatureDocument]) -> bytes:
    """The role's file, as any TUF tool reads it, with these signatures."""
    (part,) = prepared.review.bundle.parts
    unsigned = part_of(part.role, part.signed, expires=part.envelope.expires)
    return sign_with(unsigned, _signatures(signatures)).data


def signed_bundle(prepared: PreparedRole, signatures: Iterable[SignatureDocument]) -> Bundle:
    """The same for those who must sign it too, with all that leads there."""
    bundle = prepared.review.bundle
    part = replace(bundle.parts[0], signatures=_signatures(signatures))
    return replace(bundle, parts=(part,))


def write_role(path: Path, data: bytes) -> None:
    """Write a role's file. One that has the same bytes already is left as it is.

    Raises:
        NameTaken: another file has this name.
        StorageError: it cannot be written.
    """
    write_file(path, data, mode=PUBLIC_FILE, how=How.CREATE)


def _signatures(documents: Iterable[SignatureDocument]) -> tuple[Signature, ...]:
    by_key = {each.keyid: Signature(each.keyid, each.sig) for document in documents for each in document.signatures}
    return tuple(by_key.values())


def _first_root(client: Client) -> str:
    """SHA-256 of the first root's file. Where another one is pinned, it is only what is served: the review says so."""
    if client.trusted.pin.version == 1:
        return client.trusted.pin.sha256
    try:
        data = client.metadata.read("1.root.json", limit=MAX_ROOT_BYTES)
    except StorageError as error:
        error.hint = "what you sign is remembered by the first root: it must be served, too"
        raise
    return hashlib.sha256(data).hexdigest()


def _taken_apart(files: RoleFiles, name: RoleName) -> tuple[Mapping[str, Any], dict[RoleName, BundlePart]]:
    """What the role says, and those that delegate on the way to it."""
    opened = open_envelope(files.data, name=versioned(name, files.version), kind="targets")
    if not isinstance(opened.signed.get("targets"), dict):
        raise InvalidMetadata(opened.name, "its targets are not an object")
    if opened.signed.get("delegations", {}).get("succinct_roles") is not None:
        raise InvalidInput(
            f"{name} shares its artifacts out over bins, and lists none itself",
            hint="they are signed where the repository is: rstuf artifact add, there",
        )
    delegators = {}
    for each, data in files.delegators.items():
        delegator = open_envelope(data, name=f"{each}.json", kind="targets")
        delegators[each] = BundlePart(role=each, signed=delegator.signed, signatures=delegator.signatures)
    return opened.signed, delegators


@dataclass(frozen=True, slots=True)
class _Changes:
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    removed: tuple[str, ...]


def _changed(
    listed: Mapping[str, Any], change: Preparation, progress: Progress, *, role: RoleName
) -> tuple[dict[str, Any], _Changes]:
    """What the role lists then; of the same content all that is said of it stays."""
    targets, added, replaced = dict(listed), list[str](), list[str]()
    for path in change.remove:
        if path not in listed:
            raise ArtifactNotFound(path, hint=f"{role} lists no such path, as clients see it")
        del targets[path]
    sources = list(change.add)
    total = sum(source.size for source in sources)
    with (
        step(progress, "hashing", total=total, unit="bytes"),
        Reading(HashOnly(), progress, custom=change.custom) as reading,
    ):
        for _, artifact, _ in reading.each(sources):
            path = artifact.path
            if path in change.remove:
                raise InvalidInput(f"{shorten(path)} is to be added, and to be removed", hint="say one of the two")
            entry, before = orjson.loads(row_of(artifact).fragment), listed.get(path)
            if before is None:
                added.append(path)
            elif _is_same(before, entry, has_custom=change.custom is not None):
                continue
            elif not change.replace:
                raise ArtifactConflict(path, signed=_told(before), offered=_told(entry))
            else:
                replaced.append(path)
            targets[path] = entry
    return targets, _Changes(tuple(sorted(added)), tuple(sorted(replaced)), tuple(sorted(set(change.remove))))


def _is_same(before: Mapping[str, Any], entry: Mapping[str, Any], *, has_custom: bool) -> bool:
    content = before.get("length") == entry["length"] and entry["hashes"].items() <= before.get("hashes", {}).items()
    return content and (not has_custom or before.get("custom") == entry.get("custom"))


def _told(entry: Mapping[str, Any]) -> str:
    algorithm, digest = next(iter(entry.get("hashes", {"no hash": ""}).items()))
    return f"{algorithm} {shorten(str(digest))[:8]}…, {entry.get('length')} B"


def _refuse_misplaced(
    delegators: Mapping[RoleName, BundlePart], name: RoleName, signed: Mapping[str, Any], paths: Iterable[str]
) -> None:
    """See that clients look for each path in this role: the first delegation that is for it counts, at every step."""
    said = {each: part.signed for each, part in delegators.items()} | {name: signed}
    tree = Tree({each: Delegator(named_delegations(what, where=f"{each}.json")) for each, what in said.items()})
    for path in paths:
        route = tree.route(TargetPath(path))
        if route.holder == name and not route.disputed:
            continue
        if route.disputed:
            reason = f"clients do not agree on whether {shorten(route.disputed[0][1])} is for {shorten(path)}"
        elif route.holder in {TARGETS, RoleName(PREFIX), *delegators}:
            reason = f"{name} is not for {shorten(path)}"
        else:
            reason = f"clients look for {shorten(path)} in {route.holder}, which comes before {name}"
        own = next(each for below in tree.delegators.values() for each in below.named if each.name == name)
        patterns = ", ".join(map(shorten, own.paths)) or "hashes of paths"
        raise InvalidInput(reason, hint=f"it is for {patterns}; --prefix P begins the paths of files with P")


def _version(seen: int, wanted: int | None) -> int:
    if wanted is None:
        return seen + 1
    if not seen < wanted <= MAX_INTEGER:
        raise InvalidInput(
            f"clients see version {seen} already, so that {wanted} cannot be the next", hint=f"--version {seen + 1}"
        )
    return wanted
