"""Names of files that were trouble to somebody: those that nobody may publish, and those that everybody can keep."""

# ruff: noqa: RUF001 - letters that look alike are what it is about

from __future__ import annotations

import unicodedata
from itertools import product
from typing import Final

from rstuf.model.names import TargetPath, path_key

# What Unicode calls default-ignorable and is a letter or a mark: file systems that fold names do not see it either.
_UNSEEN: Final = ("\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u180b", "\u180f", "\u3164", "\ufe00", "\ufe0f")
_LEAVING: Final = ("..", ".", "...", "../x", "../../etc/passwd", "a/..", "a/../..", "a/../b", "a/./b", "./a", "a/.")
_ABSOLUTE: Final = ("/", "/a", "//a", "/etc/passwd", "//host/share", "\\\\host\\share", "C:\\a", "\\a", "a\\..\\b")
_EMPTY: Final = ("", " ", "  ", "a//b", "a/", "a//", "a/ /b", "a/. ./b", ". .", " .", "a/ ")
_QUOTED: Final = tuple(
    f"a{each}b" for each in ("#", "?", "%", "%00", "%2e%2e", "%2F", "%41", "?x=y", "#f", "\\", "\\x")
)
_CONTROLS: Final = tuple(f"a{chr(code)}b" for code in (*range(0x20), *range(0x7F, 0xA0)))
_INVISIBLE: Final = tuple(
    f"a{chr(code)}b"
    for code in (
        *(0xAD, 0x600, 0x61C, 0x6DD, 0x70F, 0x8E2, 0x180E, 0xFEFF, 0xFFF9, 0xFFFA, 0xFFFB, 0x110BD, 0x1D173, 0xE0001),
        *range(0x200B, 0x2010),
        *range(0x2028, 0x202F),
        *range(0x2060, 0x2070),
        *range(0xE0020, 0xE0030),
    )
)
_NOBODYS: Final = tuple(
    f"a{chr(code)}b"
    for code in (0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xE000, 0xF8FF, 0xFDD0, 0xFFFE, 0xFFFF, 0xF0000, 0x10FFFF)
)
_DECOMPOSED: Final = (
    *(unicodedata.normalize("NFD", text) for text in ("é", "Å", "ñ/a", "ü.txt", "가", "ữ", "ό", "й", "が")),
    *("\u0958", "\u212b", "\u2126", "\u1f71", "\uf900", "a\u0340", "a\u0307\u0323"),
)
_LONG: Final = ("x" * 191, "y/" + "x" * 256 + "/z", "é" * 96, "😀" * 48, "/".join(["x" * 100] * 11), "a/" * 600 + "b")
_ENDS: Final = ("\x00", "\n", "\r\n", "\u202e", "\u200d")
_MIXED: Final = tuple(f"{begin}{end}" for begin, end in product(("dist/", "a/b/", "x"), _ENDS))

REFUSED: Final = tuple(
    dict.fromkeys(
        [
            *(*_LEAVING, *_ABSOLUTE, *_EMPTY, *_QUOTED, *_CONTROLS, *_INVISIBLE, *_NOBODYS),
            *(*_DECOMPOSED, *_LONG, *_MIXED),
            *(f"deep/{name}/x" for name in _LEAVING if "/" not in name),
            *(f"deep/{name}" for name in ("\x1b[31m", "\x07", "a\tb", "a\x0bb", "\x9b31m")),
        ]
    )
)
"""None of these is a path of an artifact."""

_WINDOWS: Final = (
    *("CON", "nul", "com1.txt", "LPT9", "aux/x", "a:b", "a:stream", "a<b"),
    *('a"b', "a|b", "a*b", "x.", "y. .z"),
)
_SHELL: Final = (
    *("-rf", "--help", "~", "~root", "$HOME", "$(id)", "`id`", "a;b", "a&b", "a'b", "!x", "*", "(a)", "{a,b}"),
)
_MARKUP: Final = (
    *("[red]x[/red]", "<script>", "&lt;", "a=b", "+x", "@x", "=1+1", "[x](y)", "{{x}}", "${x}", "^x^", "[a-z]"),
)
_ORDINARY: Final = (
    *("a", "A1", "app-1.2.3-py3-none-any.whl", "dist/app.tar.gz", "a b", "a  b", ".hidden", ".a/.b", "a.b.c", "x_y-z"),
    *("0", "10", "2", "01", "1e3", "-1", "a/1/2", "null", "true", "NaN", "undefined", "index.html", "timestamp.json"),
    *("1.root.json", "targets/x", "metadata/x", "root", "snapshot.json", "staging/x", "x/.staging", "a,b", "a+b@c"),
)
_SCRIPTS: Final = (
    *("été", "Ж.txt", "日本語/ファイル", "한글", "עברית", "العربية", "ไทย", "हिन्दी", "ქართული", "ᏣᎳᎩ", "ⴰⵎⴰⵣⵉⵖ"),
    *("ΑΒΓ/αβγ", "😀", "👍🏽", "🇩🇪", "𝒳𝓎", "𐍈", "（全角）", "ＡＢＣ", "ﬁ", "ß", "ſ", "ı", "½", "²", "№"),
    *("…", "–", "“q”", "€", "Ω"),
)
_LIMITS: Final = ("x" * 190, "d/" * 60 + "x" * 190, "s" * 255 + "/x", "é" * 95, "😀" * 47, "/".join(["x" * 99] * 10))

ACCEPTED: Final = tuple(
    dict.fromkeys([*_ORDINARY, *_WINDOWS, *_SHELL, *_MARKUP, *_SCRIPTS, *_LIMITS, *(f"v{each}" for each in _UNSEEN)])
)
"""Each of these is a path of an artifact, though not all of them beside each other."""


def as_ext4_folds(path: str) -> str:
    """What a path is on an ext4 that ignores case: decomposed, without what is not seen, folded, segment by segment.

    As Linux describes it (Documentation/admin-guide/ext4, fs/unicode); kernels can be built without that, and then
    nothing else here can ask.
    """
    plain = "".join(each for each in unicodedata.normalize("NFD", path) if not is_unseen(each))
    return unicodedata.normalize("NFD", plain.casefold())


def is_unseen(character: str) -> bool:
    """Whether a character is default-ignorable and of a category that paths may have."""
    code = ord(character)
    return (
        character in _UNSEEN or 0x180B <= code <= 0x180F or 0xFE00 <= code <= 0xFE0F or code == 0xFFA0
    ) or 0xE0100 <= code <= 0xE01EF


def without_twins(paths: list[TargetPath]) -> list[TargetPath]:
    """Those of paths that can be beside each other: no twins, and none where a directory of another one is."""
    kept: dict[str, TargetPath] = {}
    directories: set[str] = set()
    for path in paths:
        key = path_key(path)
        above = {key[:at] for at, each in enumerate(key) if each == "/"}
        if key in kept or key in directories or not above.isdisjoint(kept):
            continue
        kept[key] = path
        directories |= above
    return [*kept.values()]
