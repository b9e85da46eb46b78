"""Why python-tuf's updater refused a repository, in words that its user can act on.

What happened is told by the class of the error and by what was fetched and remembered, never by the text of a message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rstuf.client.records import Trusted
from rstuf.errors import Refusal, RepositoryRefused, shorten

if TYPE_CHECKING:
    from tuf.api.exceptions import RepositoryError

# Nobody publishes so often between two looks: somebody who held the online key ran ahead.
_FAR: Final = 100_000
_STALE: Final = "a cache or a mirror may be behind: try again later, and tell the publisher if it stays so"
_ELSEWHERE: Final = "use nothing from there; see that the URL is right, and ask the publisher"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known when something is refused.

    Attributes:
        place: the repository's URL, for people.
        roles: what python-tuf holds verified: by name, objects with `version` and `expires`.
        fetched: what came in this refresh by file name, the newest last.
        now: the client's clock.
    """

    trusted: Trusted
    place: str
    roles: Mapping[str, Any]
    fetched: Mapping[str, bytes]
    now: datetime

    @property
    def newest(self) -> str:
        """The file that was fetched last; a look that fetched none has failed at what it remembers."""
        return next(reversed(list(self.fetched)), "timestamp.json")

    @property
    def role(self) -> str:
        """The role of that file."""
        name = self.newest.removesuffix(".json")
        version, dot, rest = name.partition(".")
        return rest if dot and version.isdecimal() else name


def refusal_of(error: RepositoryError, evidence: Evidence) -> RepositoryRefused:
    """What to say of an error that python-tuf raised."""
    from tuf.api.exceptions import (
        BadVersionNumberError,
        ExpiredMetadataError,
        LengthOrHashMismatchError,
        UnsignedMetadataError,
    )

    if isinstance(error, ExpiredMetadataError):
        return _expired(evidence)
    if isinstance(error, UnsignedMetadataError):
        return _unsigned(evidence)
    if isinstance(error, BadVersionNumberError):
        return _wrong_version(evidence)
    role = evidence.role
    if isinstance(error, LengthOrHashMismatchError):
        by = "timestamp" if role == "snapshot" else "snapshot"
        message = (
            f"{evidence.newest} is not the file that {by} names: it was changed, or belongs to another publication"
        )
        return RepositoryRefused(role, Refusal.MISMATCH, message, hint=_STALE)
    text = shorten(str(error) or type(error).__name__)
    return RepositoryRefused(role, Refusal.MALFORMED, f"{evidence.newest} cannot be relied on: {text}", hint=_ELSEWHERE)


def too_long(limit: int, evidence: Evidence) -> RepositoryRefused:
    """What to say of a file that has more bytes than are signed of it, or than any client reads."""
    message = f"{evidence.newest} is longer than the {limit} bytes that it may have"
    return RepositoryRefused(evidence.role, Refusal.MISMATCH, message, hint=_STALE)


def rolled_back(role: str, offered: int, seen: int, evidence: Evidence) -> RepositoryRefused:
    """What to say of a role that is older than it was."""
    message = f"{evidence.place} offers version {offered} of {role}, and {seen} was seen before (rollback)"
    again = f"rstuf trust remove {evidence.trusted.name}, and pin their root again"
    if seen - offered > _FAR:
        message = f"{message}; it had run ahead by {seen - offered} versions, as after a theft of its key"
        hint = f"ask the publisher, by another way, whether they began again; only then: {again}"
    else:
        hint = f"{_STALE}; if they say, by another way, that they began again: {again}"
    return RepositoryRefused(role, Refusal.ROLLBACK, message, hint=hint)


def uncountable(role: str, most: int) -> RepositoryRefused:
    """What to say of versions beyond those that everybody can tell apart."""
    message = f"{shorten(role)} says a version beyond {most}, which not every client can tell from others"
    return RepositoryRefused(role, Refusal.MALFORMED, message, hint=_ELSEWHERE)


def _expired(evidence: Evidence) -> RepositoryRefused:
    """The first role, in the order of the walk, whose time is over."""
    for role in ("root", "timestamp", "snapshot"):
        found = evidence.roles.get(role)
        if found is not None and found.expires <= evidence.now:
            return _past(role, found.version, found.expires, evidence)
    version, expires = _said(evidence.fetched.get(evidence.newest, b""))
    return _past(evidence.role, version, expires, evidence)


def _past(role: str, version: int | None, expires: datetime | None, evidence: Evidence) -> RepositoryRefused:
    since = f" {_period(evidence.now - expires)} ago, at {expires:%Y-%m-%d %H:%M} UTC" if expires is not None else ""
    which = f"version {version}" if version is not None else "its version"
    why = (
        "its publisher has to renew root"
        if role == "root"
        else "its publisher has not renewed it, or somebody holds you at an old state"
    )
    return RepositoryRefused(
        role,
        Refusal.EXPIRED,
        f"{role} of {evidence.trusted.name} expired{since} ({which}): {why}",
        hint=f"see that this machine's clock is right ({evidence.now:%Y-%m-%d %H:%M} UTC); then tell the publisher",
    )


def _unsigned(evidence: Evidence) -> RepositoryRefused:
    role = evidence.role
    if role == "root":
        known = evidence.roles["root"].version if "root" in evidence.roles else evidence.trusted.pin.version
        message = (
            f"{evidence.newest} is not signed by enough of the keys that root version {known} names, and by its own"
        )
    elif role in {"timestamp", "snapshot", "targets"} and "root" in evidence.roles:
        message = (
            f"{evidence.newest} is not signed by the keys that root version {evidence.roles['root'].version} of "
            f"{evidence.trusted.name} names: this is another repository, or was changed"
        )
    else:
        message = f"{evidence.newest} is not signed by the keys that the role above it names"
    return RepositoryRefused(role, Refusal.UNSIGNED, message, hint=_ELSEWHERE)


def _wrong_version(evidence: Evidence) -> RepositoryRefused:
    role = evidence.role
    offered, _ = _said(evidence.fetched.get(evidence.newest, b""))
    known = evidence.roles.get(role)
    if role == "timestamp" and known is not None and offered is not None:
        if offered >= known.version:
            what = "names an older snapshot than one that was seen before"
            return RepositoryRefused(role, Refusal.ROLLBACK, f"{evidence.newest} {what} (rollback)", hint=_STALE)
        return rolled_back(role, offered, known.version, evidence)
    if role == "snapshot":
        message = f"{evidence.newest} takes a role back behind what was seen before, or is not the one timestamp names"
        return RepositoryRefused(role, Refusal.ROLLBACK, message, hint=_STALE)
    said = f"says that it is version {offered}" if offered is not None else "does not say which version it is"
    return RepositoryRefused(role, Refusal.MISMATCH, f"{evidence.newest} {said}", hint=_STALE)


def _said(data: bytes) -> tuple[int | None, datetime | None]:
    """Version and expiry, as a file that need not be true says them."""
    from rstuf.clock import parse_iso

    try:
        signed = json.loads(data)["signed"]
        return int(signed["version"]), parse_iso(signed["expires"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None, None


def _period(passed: timedelta) -> str:
    """`12 days`, `5 h`, `40 min`."""
    whole = int(passed.total_seconds())
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if whole >= 2 * unit:
            return f"{round(whole / unit)} {name}"
    return f"{whole} s"
