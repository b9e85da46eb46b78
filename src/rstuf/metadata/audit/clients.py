"""What the clients in use can read: limits and kinds of delegation, as they were measured with their releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rstuf.metadata.audit.javascript import lost_order, lost_paths, lost_roles


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a client reads, where the parent metadata names no length; bytes.

    Attributes:
        root_steps: roots followed in one refresh.
        visited: delegated roles visited for one path.
    """

    root: int
    timestamp: int
    snapshot: int
    targets: int
    root_steps: int = 256
    visited: int = 32


PYTHON_TUF: Final = Limits(root=512_000, timestamp=16_384, snapshot=2_000_000, targets=5_000_000)
_TOUGH: Final = Limits(root=1_048_576, timestamp=1_048_576, snapshot=1_048_576, targets=10_485_760)
_PHP_TUF: Final = Limits(root=100_000, timestamp=100_000, snapshot=100_000, targets=100_000)
# The smallest and the largest cap among those that read flat repositories only.
_FLAT: Final = Limits(root=101_376, timestamp=101_376, snapshot=2_000_000, targets=2_000_000)

# tuf-js compares every bin with every other: 169 s for 16 384 of them.
_TUF_JS_BINS: Final = 2048
_TUF_JS_TARGETS: Final = 1000
_SLOWEST_MEASURED: Final = (16_384, 169)


@dataclass(slots=True)
class Size:
    """A file's size, and whether its parent names the length (then clients lift their cap)."""

    length: int = 0
    named: bool = False


@dataclass(slots=True)
class Survey:
    """What matters to clients, gathered while the roles are read.

    Attributes:
        bins: succinct ones, and roles by hash prefixes that delegate to nobody.
        disputed: artifacts that some clients look for elsewhere, because they read wildcards otherwise.
        lost_paths: artifacts that tuf-js does not find, by their names; `lost_order`: a role that it takes to be signed
            wrongly, and `lost_role`: one whose name spoils delegations for it.
    """

    root: Size = field(default_factory=Size)
    timestamp: Size = field(default_factory=Size)
    snapshot: Size = field(default_factory=Size)
    targets: Size = field(default_factory=Size)
    largest: Size = field(default_factory=Size)
    largest_role: str = ""
    most_artifacts: int = 0
    delegated: int = 0
    bins: int = 0
    succinct: bool = False
    prefixes: bool = False
    schemes: frozenset[str] = frozenset()
    foreign_key_fields: bool = False
    blake2b_alone: bool = False
    blake2b_beside: bool = False
    disputed: int = 0
    lost_paths: int = 0
    lost_order: str = ""
    lost_role: str = ""

    def hashes(self, hashes: Mapping[str, object]) -> None:
        """Take note of the kinds of hashes of one artifact."""
        if "blake2b-256" in hashes:
            self.blake2b_alone |= len(hashes) == 1
            self.blake2b_beside |= len(hashes) > 1

    def role(self, name: str, length: int, artifacts: int, *, named: bool) -> None:
        """Take note of one targets role."""
        if length > self.largest.length:
            self.largest, self.largest_role = Size(length, named), name
        self.most_artifacts = max(self.most_artifacts, artifacts)
        if name == "targets":
            self.targets = Size(length, named)

    def in_javascript(self, name: str, payload: bytes, signed: Mapping[str, Any], below: Sequence[str]) -> None:
        """Take note of what tuf-js makes of a role, and of the names of those `below` it."""
        targets = signed.get("targets")
        self.lost_paths += lost_paths(name, payload, targets if isinstance(targets, dict) else {})
        self.lost_role = self.lost_role or lost_roles(below) or ""
        if not self.lost_order and lost_order(payload, signed):
            self.lost_order = name


def judge(survey: Survey) -> dict[str, dict[str, object]]:
    """For each client, whether it can read the repository, and if not, why."""
    verdicts = {
        "python-tuf": _python_tuf(survey),
        "tuf-js": _tuf_js(survey),
        "go-tuf": _go_tuf(survey),
        "tough": _tough(survey),
        "php-tuf": _php_tuf(survey),
        "sigstore-java": _flat(survey),
        "tuf-browser": _flat(survey),
        "rust-tuf": _flat(survey),
    }
    return {name: {"ok": reason is None, "reason": reason} for name, reason in verdicts.items()}


def _python_tuf(survey: Survey) -> str | None:
    return _too_large(survey, PYTHON_TUF)


def _tuf_js(survey: Survey) -> str | None:
    if survey.bins > _TUF_JS_BINS:
        bins, seconds = _SLOWEST_MEASURED
        return f"{survey.bins} bins: about {seconds * survey.bins**2 // bins**2} s a refresh"
    if survey.most_artifacts > 5 * _TUF_JS_TARGETS:
        return f"{survey.most_artifacts} artifacts in one role: about a minute or more to read it"
    if survey.disputed:
        return f"it reads wildcards otherwise, and does not find {survey.disputed} artifacts"
    if survey.lost_role:
        return f"it takes the name of the role {survey.lost_role} for something else"
    if survey.lost_order:
        return f"it sorts some letters of {survey.lost_order} otherwise, and takes its signatures for wrong"
    if survey.lost_paths:
        return f"it takes {survey.lost_paths} paths for something else, and does not find these artifacts"
    for scheme in sorted(survey.schemes):
        if scheme.startswith(("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ml-dsa")):
            return f"it does not verify {scheme}" + (" before 6.0.2" if "nistp384" in scheme else "")
    return _blake2b(survey) or _blake2b_beside(survey) or _too_large(survey, PYTHON_TUF)


def _go_tuf(survey: Survey) -> str | None:
    if survey.prefixes:
        return "no release up to 2.4.2 reads delegations by hash prefixes (mended since)"
    return _blake2b(survey) or _blake2b_beside(survey) or _too_large(survey, PYTHON_TUF)


def _tough(survey: Survey) -> str | None:
    if survey.succinct:
        return "it has no succinct bins and fails to read the repository"
    if survey.targets.named and survey.largest.length > survey.targets.length:
        return f"the length of targets.json in snapshot caps every role, and {survey.largest_role} is longer"
    return _blake2b(survey) or _too_large(survey, _TOUGH)


def _php_tuf(survey: Survey) -> str | None:
    if survey.succinct:
        return "it has no succinct bins"
    if survey.schemes - {"ed25519"}:
        return f"it verifies ed25519 only, not {min(survey.schemes - {'ed25519'})}"
    if survey.foreign_key_fields:
        return "fields of its own in a key object break the key id for it"
    return _blake2b(survey) or _too_large(survey, _PHP_TUF)


def _flat(survey: Survey) -> str | None:
    if survey.delegated:
        return "it reads repositories without delegations only"
    return _blake2b(survey) or _too_large(survey, _FLAT)


def _blake2b(survey: Survey) -> str | None:
    if survey.blake2b_alone:
        return "it does not know blake2b-256, the only hash of some artifacts"
    return None


def _blake2b_beside(survey: Survey) -> str | None:
    if survey.blake2b_beside:
        return "it refuses artifacts with blake2b-256 beside another hash"
    return None


def _too_large(survey: Survey, limits: Limits) -> str | None:
    sizes = (
        ("root", survey.root, limits.root),
        ("timestamp", survey.timestamp, limits.timestamp),
        ("snapshot", survey.snapshot, limits.snapshot),
        (survey.largest_role, survey.largest, limits.targets),
    )
    for name, size, limit in sizes:
        if size.length > limit and not size.named:
            return f"{name} has {size.length} bytes and it reads at most {limit}"
    return None
