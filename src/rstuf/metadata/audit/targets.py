"""The artifacts of one role: path, length, hashes and custom data of each (TUF §4.5)."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b, new, sha256
from operator import itemgetter
from typing import Any, Final

from rstuf.metadata.audit.clients import Survey
from rstuf.metadata.audit.document import MAX_INTEGER, Fault, check_numbers
from rstuf.metadata.audit.findings import Code, Findings
from rstuf.metadata.audit.paths import Bin, all_plain, is_hex, path_digest, path_fault

_LENGTH, _HASHES, _SHA256 = itemgetter("length"), itemgetter("hashes"), itemgetter("sha256")
HEX_DIGITS: Final[Mapping[str, int]] = {"sha256": 64, "sha512": 128, "blake2b-256": 64}


def check_targets(
    targets: Mapping[str, Any], *, role: str, place: Bin | None, findings: Findings, survey: Survey
) -> Mapping[str, Any]:
    """Report what is wrong with a role's artifacts.

    Args:
        place: the bin that they must belong to, if the role is one.

    Returns:
        Those whose path and entry can be relied on.
    """
    if _all_sound(targets, place):
        return targets
    sound = {}
    for path, entry in targets.items():
        fault = path_fault(path)
        if fault is not None:
            findings.problem(Code.BAD_PATH, f"no client can be sure to get this path: {fault}", role=role, path=path)
            continue
        if place is not None and not place.holds(path_digest(path)):
            findings.problem(Code.WRONG_BIN, "no client looks for this path in this bin", role=role, path=path)
        fault = entry_fault(entry)
        if fault is not None:
            findings.problem(Code.BAD_TARGET, fault, role=role, path=path)
            continue
        survey.hashes(entry["hashes"])
        sound[path] = entry
    return sound


def entry_fault(entry: object) -> str | None:
    """What is wrong with what the metadata says of one artifact; None if nothing is."""
    if not isinstance(entry, dict):
        return "its entry is not an object"
    try:
        check_numbers(entry)
    except Fault as unusable:
        return f"its entry is not usable: {unusable}"
    length = entry.get("length")
    if type(length) is not int or not 0 <= length <= MAX_INTEGER:
        return "its length is not a whole number from 0 to 2^53 - 1"
    hashes = entry.get("hashes")
    if not isinstance(hashes, dict) or not hashes:
        return "it has no hashes"
    fault = hashes_fault(hashes)
    if fault is not None:
        return fault
    if "custom" in entry and type(entry["custom"]) is not dict:
        return "its custom data is not an object"
    return None


def hashes_fault(hashes: Mapping[str, object]) -> str | None:
    """What is wrong with an object of hashes; None if nothing is."""
    for algorithm, value in hashes.items():
        digits = HEX_DIGITS.get(algorithm)
        if digits is None:
            return f"it has a hash of the kind {algorithm[:40]!r}; known are {', '.join(HEX_DIGITS)}"
        if type(value) is not str or len(value) != digits or not is_hex(value):
            return f"its {algorithm} is not {digits} lower-case hexadecimal digits"
    return None


def digest_by(algorithm: str, data: bytes) -> str:
    """A hash of the kinds of `HEX_DIGITS`, in hexadecimal."""
    if algorithm == "blake2b-256":
        return blake2b(data, digest_size=32).hexdigest()
    return new(algorithm, data).hexdigest()


def _all_sound(targets: Mapping[str, Any], place: Bin | None) -> bool:
    """The same answer as one by one, for roles whose artifacts all are of the usual form; else False.

    Written as a few passes over all of them, because this is asked of every artifact there is.
    """
    if not targets:
        return True
    if not all_plain(targets.keys()):
        return False
    try:
        entries = list(targets.values())
        lengths = list(map(_LENGTH, entries))
        hashes = list(map(_HASHES, entries))
        digests = list(map(_SHA256, hashes))
        joined = "".join(digests)
        sizes = set(map(len, entries))
        if sizes != {2}:
            if not sizes <= {2, 3}:
                return False
            for entry in entries:
                if len(entry) == 3 and type(entry["custom"]) is not dict:
                    return False
                check_numbers(entry)
    except (KeyError, TypeError, Fault):
        return False
    if set(map(type, lengths)) != {int} or min(lengths) < 0 or max(lengths) > MAX_INTEGER:
        return False
    if set(map(len, hashes)) != {1} or set(map(len, digests)) != {64} or not is_hex(joined):
        return False
    if place is None:
        return True
    low, high = place.bounds()
    found = [sha256(path.encode()).digest() for path in targets]
    return low <= min(found) and max(found) <= high
