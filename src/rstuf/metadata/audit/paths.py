"""Names and places: paths that a client can ask for, bins that hold them (TAP 15), patterns that match (TUF §4.5)."""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

MAX_PATH_BYTES: Final = 1024
MAX_SEGMENT_BYTES: Final = 255
# "<sha256>." before the last segment must fit into 255 bytes, the end of file names everywhere.
MAX_LAST_BYTES: Final = 190
_UNQUOTED: Final = "#?%\\"
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_PLAIN: Final = bytes(code for code in range(0x20, 0x7F) if chr(code) not in _UNQUOTED) + b"\n"
_HEX: Final = string.hexdigits.lower()[:16].encode()
_ROLE: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", re.ASCII)
_TOP: Final = frozenset({"root", "timestamp", "snapshot", "targets"})


def path_fault(path: str) -> str | None:
    """Why `path` is not one that every client asks for alike and every file system keeps; None if it is one."""
    if not path:
        return "it is empty"
    for character in path:
        if character in _UNQUOTED:
            return f"it contains {character!r}, which clients do not quote"
        if unicodedata.category(character) in _UNSEEN:
            return f"it contains U+{ord(character):04X}, which is invisible or no character"
    if unicodedata.normalize("NFC", path) != path:
        return "it is not in Unicode normal form C"
    sizes = []
    for segment in path.split("/"):
        if segment in {"", ".", ".."}:
            return f"it has the segment {segment!r}"
        sizes.append(len(segment.encode()))
    if sum(sizes) + len(sizes) - 1 > MAX_PATH_BYTES:
        return f"it has more than {MAX_PATH_BYTES} bytes"
    if max(sizes) > MAX_SEGMENT_BYTES or sizes[-1] > MAX_LAST_BYTES:
        return f"a segment has more than {MAX_SEGMENT_BYTES} bytes, or the last one more than {MAX_LAST_BYTES}"
    return None


def all_plain(paths: Collection[str]) -> bool:
    """Whether all of them are short, printable ASCII and without fault: then the answer is the same as path by path.

    Decided for all at once, because this is asked of every artifact there is.
    """
    if not paths:
        return True
    joined = "\n".join(paths)
    if not joined.isascii() or max(map(len, paths)) > MAX_LAST_BYTES:
        return False
    raw = joined.encode()
    if raw.count(b"\n") != len(paths) - 1 or raw.translate(None, _PLAIN):
        return False
    segments = b"/%b/" % raw.replace(b"\n", b"/")
    return b"//" not in segments and (b"/." not in segments or (b"/./" not in segments and b"/../" not in segments))


def is_hex(text: str) -> bool:
    """Whether `text` is nothing but lower-case hexadecimal digits."""
    return text.isascii() and not text.encode().translate(None, _HEX)


def role_name_fault(name: str) -> str | None:
    """Why `name` cannot be the name of a delegated role, whose file every client and file system finds."""
    if name in _TOP:
        return "a top-level role has this name"
    if _ROLE.fullmatch(name) is None:
        return "it is not a short, plain file-name segment (letters, digits, '_', '-' and '.')"
    return None


Head = tuple[int, str | None]


@dataclass(frozen=True, slots=True)
class Bin:
    """One of 2^`bits` bins: `index` is the leading bits of SHA-256 of the paths that it holds (TAP 15).

    Attributes:
        holder: the role that delegates to it.
    """

    holder: str
    bits: int
    index: int

    def bounds(self) -> tuple[bytes, bytes]:
        """The lowest and the highest SHA-256 of a path in this bin."""
        width = 32 - self.bits
        low = (self.index << width).to_bytes(4, "big")
        high = (((self.index + 1) << width) - 1).to_bytes(4, "big")
        return low + bytes(28), high + b"\xff" * 28

    def holds(self, digest: bytes) -> bool:
        """Whether a path with this SHA-256 is in this bin."""
        return self.bounds()[0] <= digest <= self.bounds()[1]

    def slots(self) -> tuple[int, int]:
        """The lowest and the highest value of the first 32 bits."""
        width = 32 - self.bits
        return self.index << width, ((self.index + 1) << width) - 1


def bin_name(prefix: str, bits: int, index: int) -> str:
    """A bin's name: the index in hexadecimal, as many digits as the last bin's has (TAP 15)."""
    return f"{prefix}-{index:0{(bits + 3) // 4}x}"


def bin_of(path: str, bits: int) -> int:
    """The index of the bin that holds `path`."""
    return int.from_bytes(path_digest(path)[:4], "big") >> (32 - bits)


def path_digest(path: str) -> bytes:
    """SHA-256 of a path, by which bins and hash prefixes are chosen."""
    return hashlib.sha256(path.encode()).digest()


class Pattern:
    """A PATHPATTERN (TUF §4.5): shell wildcards, none of which matches a slash.

    Matching takes at most the product of the two lengths: no pattern is slow.

    Attributes:
        text: the pattern itself.
        head: how many segments a path must have, and its first one where the pattern says which (else None).
        effort: how many times a path's length matching may take, at most.
        special: what it uses that clients read differently, whatever the path; None where there is no such thing.
    """

    __slots__ = ("_segments", "effort", "head", "special", "text")

    def __init__(self, pattern: str) -> None:
        self.text, segments = pattern, pattern.split("/")
        self._segments = [_tokens(segment) for segment in segments]
        plain = all(token != _ANY and isinstance(token, str) for token in self._segments[0])
        self.head: Head = (len(segments), segments[0] if plain else None)
        self.effort = max((len(each) if each.count(_ANY) > 1 else 1) for each in self._segments)
        self.special = _special(pattern)

    def matches(self, path: str) -> bool:
        """Whether `path` is one of those that the pattern describes."""
        segments = path.split("/")
        return len(segments) == len(self._segments) and all(map(_segment_matches, self._segments, segments))

    def is_disputed_for(self, path: str) -> bool:
        """Whether it matches `path` for some clients only: in JavaScript no wildcard stands for a dot that a segment
        begins with, and a question mark for no character beyond U+FFFF, which is two there."""
        return self.matches(path) and any(
            (segment[0] == "." and tokens[0] in {_ANY, _ONE}) or (_ONE in tokens and is_odd(segment))
            for tokens, segment in zip(self._segments, path.split("/"), strict=True)
        )


def is_odd(path: str) -> bool:
    """Whether a pattern may be disputed for a path: most paths are looked at no further."""
    return path[:1] == "." or "/." in path or (not path.isascii() and max(path) > "\uffff")


def _special(pattern: str) -> str | None:
    if pattern[:1] in {"!", "#"}:
        return f"{pattern[0]} at its beginning"
    found = {"[": "[...]", "{": "{...}", "(": "(...)", "**": "**", "\\": "a backslash"}
    return next((shown for mark, shown in found.items() if mark in pattern), None)


@dataclass(frozen=True, slots=True)
class _Class:
    """`[abc]`, `[a-z]`, `[!abc]`."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool

    def holds(self, character: str) -> bool:
        return any(low <= character <= high for low, high in self.ranges) != self.negated


# Text is one literal character; a star and a question mark never are.
_Token = str | _Class
_ANY: Final = "*"
_ONE: Final = _Class(ranges=(), negated=True)


def _tokens(segment: str) -> list[_Token]:
    tokens: list[_Token] = []
    at = 0
    while at < len(segment):
        character = segment[at]
        # "[]a]" holds "]": the end is looked for behind the first member.
        first = at + 2 if segment[at + 1 : at + 2] == "!" else at + 1
        end = segment.find("]", first + 1) if character == "[" else -1
        if character == "?":
            tokens.append(_ONE)
        elif end > 0:
            tokens.append(_class(segment[first:end], negated=first == at + 2))
            at = end
        else:
            tokens.append(character)
        at += 1
    return tokens


def _class(members: str, *, negated: bool) -> _Class:
    ranges = []
    at = 0
    while at < len(members):
        if at + 2 < len(members) and members[at + 1] == "-":
            ranges.append((members[at], members[at + 2]))
            at += 3
        else:
            ranges.append((members[at], members[at]))
            at += 1
    return _Class(ranges=tuple(ranges), negated=negated)


def _segment_matches(tokens: list[_Token], text: str) -> bool:
    """Greedy, going back to the last star only: earlier ones need never be tried again."""
    at = seen = 0
    star, star_seen = -1, 0
    while seen < len(text):
        token = tokens[at] if at < len(tokens) else None
        if token == _ANY:
            star, star_seen = at, seen
            at += 1
        elif token is not None and (token.holds(text[seen]) if isinstance(token, _Class) else token == text[seen]):
            at += 1
            seen += 1
        elif star >= 0:
            star_seen += 1
            at, seen = star + 1, star_seen
        else:
            return False
    return all(token == _ANY for token in tokens[at:])
