"""Names that come from outside: role names, target paths and names for what is trusted, validated at the border.

A `TargetPath`, `RoleName` or `TrustName` in a signature says that the text has passed here.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NewType

from rstuf.errors import InvalidPath, InvalidRoleName, InvalidTrustName

TargetPath = NewType("TargetPath", str)
RoleName = NewType("RoleName", str)
TrustName = NewType("TrustName", str)

ROOT: Final = RoleName("root")
TARGETS: Final = RoleName("targets")
SNAPSHOT: Final = RoleName("snapshot")
TIMESTAMP: Final = RoleName("timestamp")
TOP_LEVEL: Final = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)

MAX_PATH_BYTES: Final = 1024
MAX_SEGMENT_BYTES: Final = 255
# A stored copy is named "<sha256>.<last segment>", and file systems end at 255 bytes.
MAX_LAST_SEGMENT_BYTES: Final = 190
MAX_ROLE_NAME: Final = 64

# The common case: printable ASCII without " # % ? \, no segment empty or beginning with a dot or a space. The text of a
# pattern, for whoever reads a path inside of more.
PLAIN_PATH: Final = "(?:{0}{1}*)(?:/{0}{1}*)*".format(
    r"[!$&'()*+,\-0-9:;<=>@A-Z\[\]^_`a-z{|}~]", r"[ !$&-.0-9:;<=>@A-Z\[\]^_`a-z{|}~]"
)
_PLAIN_PATH: Final = re.compile(PLAIN_PATH, re.ASCII)
_FORBIDDEN: Final = frozenset("#?%\\")
# Control, format (bidi, zero width), surrogate, private, unassigned, line and paragraph separators.
_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_ROLE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# What Unicode calls default-ignorable, as far as paths may have it: file systems that fold names do not see it.
UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# What every object of JavaScript has, so that looking for such a name finds something where nothing is.
IN_EVERY_OBJECT: Final = frozenset(
    [
        *("constructor", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"),
        *("toLocaleString", "toString", "valueOf", "__proto__"),
        *("__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"),
    ]
)
_NUMBER: Final = re.compile(r"0|[1-9][0-9]*", re.ASCII)
# One case, so that two names are two directories on every file system.
_TRUST_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)


def target_path(text: str) -> TargetPath:
    """`text` as a target path: the grammar that every client and file system reads alike.

    Relative; segments separated by single slashes, none of nothing but dots and spaces; no control, format, surrogate,
    private-use or unassigned characters; none of `# ? % \\` (clients do not quote them); Unicode NFC; at most 1024
    bytes of UTF-8 in all, 255 a segment and 190 in the last one.

    Raises:
        InvalidPath: with the first rule that `text` breaks.
    """
    if len(text) <= MAX_LAST_SEGMENT_BYTES and _PLAIN_PATH.fullmatch(text):
        return TargetPath(text)
    reason = _path_fault(text)
    if reason is not None:
        raise InvalidPath(text, reason)
    return TargetPath(text)


def _path_fault(text: str) -> str | None:
    if not text:
        return "it is empty"
    for character in text:
        if character in _FORBIDDEN:
            return f"it contains {character!r}, which clients do not quote"
        if character > "~" or character < " ":
            category = unicodedata.category(character)
            if category in _FORBIDDEN_CATEGORIES:
                return f"it contains U+{ord(character):04X}, an invisible or unusable character"
    if text.startswith("/"):
        return "it starts with /"
    segments = text.split("/")
    for segment in segments:
        if segment == "":
            return "it has an empty segment (// or a slash at the end)"
        if segment in {".", ".."}:
            return f"it has the segment {segment!r}"
        if not segment.strip(". "):
            return "it has a segment of nothing but dots and spaces"
    if not unicodedata.is_normalized("NFC", text):
        return "it is not in Unicode normal form C"
    return _length_fault(text, segments)


def _length_fault(text: str, segments: list[str]) -> str | None:
    size = len(text.encode())
    if size > MAX_PATH_BYTES:
        return f"it has {size} bytes, at most {MAX_PATH_BYTES} are allowed"
    for segment in segments:
        if len(segment.encode()) > MAX_SEGMENT_BYTES:
            return f"a segment has more than {MAX_SEGMENT_BYTES} bytes"
    if len(segments[-1].encode()) > MAX_LAST_SEGMENT_BYTES:
        return f"its last segment has more than {MAX_LAST_SEGMENT_BYTES} bytes"
    return None


def path_key(path: TargetPath) -> str:
    """What `path` is where case, letters that are not seen, and dots and spaces at the end of a segment are ignored.

    Two artifacts of one repository never share a key, so that every client can store both.
    """
    folded = path.lower() if path.isascii() else unicodedata.normalize("NFC", UNSEEN.sub("", path).casefold())
    if "./" in folded or " /" in folded or folded.endswith((".", " ")):
        folded = "/".join(segment.rstrip(". ") for segment in folded.split("/"))
    return folded


def role_name(text: str) -> RoleName:
    """`text` as the name of a role that is not a top-level one: one safe file-name segment.

    Raises:
        InvalidRoleName: with the rule that `text` breaks.
    """
    if _ROLE_NAME.fullmatch(text) is None:
        raise InvalidRoleName(text, "it is not one short, plain file-name segment")
    if text.endswith("."):
        raise InvalidRoleName(text, "it ends with a dot")
    if text.lower() in TOP_LEVEL:
        raise InvalidRoleName(text, "top-level roles have this name")
    if re.match(r"\d+\.", text, re.ASCII):
        raise InvalidRoleName(text, "it looks like a version prefix (digits and a dot)")
    return RoleName(text)


def misread_name(text: str) -> str | None:
    """Why clients in JavaScript (tuf-js) take the name of a role for something else; None where they do not."""
    if text in IN_EVERY_OBJECT:
        return "clients in JavaScript find something of their own under it"
    # They keep roles in an object, which has numbers before all other names: the order that was signed is lost.
    return "clients in JavaScript put numbers before all other names" if _NUMBER.fullmatch(text) else None


def misread_path(text: str) -> str | None:
    """Why some clients cannot find the artifact at a path, though it keeps the rules; None where all can."""
    if text in IN_EVERY_OBJECT:
        return "clients in JavaScript find something of their own under it"
    return "it ends with a space, which clients take off a URL" if text.endswith(" ") else None


def trust_name(text: str) -> TrustName:
    """`text` as the name under which a client trusts a repository: one plain, lower-case file-name segment.

    Raises:
        InvalidTrustName: it is none.
    """
    if _TRUST_NAME.fullmatch(text) is None:
        raise InvalidTrustName(text)
    return TrustName(text)
