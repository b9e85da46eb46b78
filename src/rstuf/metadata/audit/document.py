"""Reading one metadata file strictly: its JSON, its envelope, and the very bytes its signatures are over.

The signatures of TUF's JSON are over the canonical form of `signed` (TUF §4.2.1, OLPC canonical JSON as
securesystemslib writes it), not over the file. Writing that form again with the reference encoder costs more than all
other checks together, so a file that *is* in that form is recognised and used as it stands. The argument, for a file
that equals `{"signatures":S,"signed":P}` where S and P are what orjson makes, with sorted keys, of the values it read:

- orjson writes no space, sorts keys by UTF-8 bytes, which is the order of code points and so Python's order of text,
  writes whole numbers like Python, and text as it is but for escapes. All of them start with a backslash;
- if `\\\\` and `\\"` are the only escapes in P, then P is what the reference encoder makes of the same value, as these
  are the only two that it makes, and it makes them always;
- a value that orjson read has no duplicate names any more, so a file with any would not equal what is written again.
  The same goes for fractions that are whole numbers too large for 64 bits. Other fractions would pass: they, and
  numbers beyond 2^53 - 1, are looked for in the values.

Everything else goes the slow way: a strict reading with Python's parser, then the reference encoder.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import orjson

MAX_INTEGER: Final = 2**53 - 1
# Deeper than any metadata with custom data that rstuf accepts (32 levels, plus the file's own).
MAX_DEPTH: Final = 48
MAX_SIGNATURES: Final = 256


class Fault(Exception):
    """A file or a part of it that cannot be used; its text says why."""


@dataclass(frozen=True, slots=True)
class Document:
    """A metadata file, read.

    Attributes:
        signed: the `signed` object.
        signatures: the signatures, in order: key id and signature bytes.
        payload: what they are over.
        compact: whether the file is in compact canonical form, as rstuf writes it.
        strays: names of fields beside these, which no signature protects.
    """

    signed: dict[str, Any]
    signatures: tuple[tuple[str, bytes], ...]
    payload: bytes
    compact: bool
    strays: tuple[str, ...] = ()


def read_document(data: bytes) -> Document:
    """A metadata file from its bytes.

    Numbers within `signed.targets` are left to `targets.check`, which looks at each of them anyway.

    Raises:
        Fault: it is not strict JSON, or not an envelope of `signatures` and `signed`.
    """
    quick = _read_compact(data)
    if quick is not None:
        envelope, payload = quick
        _check_values(_all_but_targets(envelope))
    else:
        envelope = _envelope(_strict_json(data))
        _check_values([envelope])
        payload = canonical(envelope["signed"])
    return Document(
        signed=envelope["signed"],
        signatures=tuple(_signatures(envelope["signatures"])),
        payload=payload,
        compact=quick is not None,
        strays=tuple(_strays(envelope)),
    )


def canonical(value: object) -> bytes:
    """The canonical form of a JSON value, by the reference encoder.

    Raises:
        Fault: it has none.
    """
    # securesystemslib is what clients in Python use; loading it costs little beside the tuf package that needs it.
    from securesystemslib.formats import encode_canonical

    try:
        text = encode_canonical(value)  # type: ignore[arg-type]
        return (text or "").encode()
    except Exception as error:  # the encoder's own errors quote the whole value
        raise Fault(f"it has no canonical form ({type(error).__name__})") from None


def check_numbers(value: object) -> None:
    """Look through a JSON value for what canonical JSON or a client cannot hold.

    Raises:
        Fault: fractions, numbers beyond 2^53 - 1, lone surrogates, or too many levels.
    """
    _check_values([value])


def _read_compact(data: bytes) -> tuple[dict[str, Any], bytes] | None:
    """The envelope and its payload, if the file is in compact canonical form."""
    try:
        envelope = orjson.loads(data)
        if type(envelope) is not dict or envelope.keys() != {"signatures", "signed"}:
            return None
        payload = orjson.dumps(envelope["signed"], option=orjson.OPT_SORT_KEYS)
        signatures = orjson.dumps(envelope["signatures"], option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, RecursionError):
        return None
    forms = (b'{"signatures":%b,"signed":%b}', b'{"signed":%b,"signatures":%b}')
    if data not in (forms[0] % (signatures, payload), forms[1] % (payload, signatures)):
        return None
    if type(envelope["signed"]) is not dict or _has_other_escapes(payload):
        return None
    return _envelope(envelope), payload


def _has_other_escapes(text: bytes) -> bool:
    # Left to right and without overlap, as escapes are read; a run of backslashes always starts with an escape.
    return b"\\" in text and b"\\" in text.replace(b"\\\\", b"").replace(b'\\"', b"")


def _strict_json(data: bytes) -> object:
    try:
        return json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_whole,
            parse_float=_refuse_fraction,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError as error:
        raise Fault(f"it is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise Fault("it is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Fault(f"it is not JSON ({error.msg} at character {error.pos})") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Fault(f"an object has the name {name[:80]!r} twice")
            seen.add(name)
    return found


def _whole(text: str) -> int:
    # Python itself refuses to convert very long numbers, by an error of another kind.
    if len(text) > 17 or abs(int(text)) > MAX_INTEGER:
        raise Fault("it has a number beyond 2^53 - 1")
    return int(text)


def _refuse_fraction(text: str) -> NoReturn:
    raise Fault(f"it has the fraction {text[:40]}, which canonical JSON cannot hold")


def _refuse_constant(text: str) -> NoReturn:
    raise Fault(f"it has {text}, which is not JSON")


def _envelope(value: object) -> dict[str, Any]:
    if type(value) is not dict:
        raise Fault("it is not a JSON object")
    if type(value.get("signed")) is not dict:
        raise Fault("its `signed` is not an object")
    signatures = value.get("signatures")
    if type(signatures) is not list:
        raise Fault("its `signatures` is not a list")
    if len(signatures) > MAX_SIGNATURES:
        raise Fault(f"it has {len(signatures)} signatures")
    return value


def _signatures(entries: list[Any]) -> Iterable[tuple[str, bytes]]:
    for entry in entries:
        if type(entry) is not dict or type(entry.get("keyid")) is not str or type(entry.get("sig")) is not str:
            raise Fault("a signature is not an object with `keyid` and `sig`")
        yield entry["keyid"], _signature_bytes(entry["sig"])


def _strays(envelope: dict[str, Any]) -> Iterable[str]:
    yield from envelope.keys() - {"signatures", "signed"}
    for entry in envelope["signatures"]:
        yield from entry.keys() - {"keyid", "sig"}


def _signature_bytes(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        raise Fault("a signature is not hexadecimal") from None
    if found.hex() != text:
        raise Fault("a signature is not lower-case hexadecimal")
    return found


def _all_but_targets(envelope: dict[str, Any]) -> list[object]:
    signed = envelope["signed"]
    return [envelope["signatures"], *(value for name, value in signed.items() if name != "targets")]


def _check_values(level: list[Any]) -> None:
    """Level by level instead of recursively: the depth of what is looked at is not ours to choose."""
    for _ in range(MAX_DEPTH):
        if not level:
            return
        following: list[Any] = []
        for value in level:
            kind = type(value)
            if kind is dict:
                following += value.keys()
                following += value.values()
            elif kind is list:
                following += value
            elif kind is str:
                _check_text(value)
            elif kind is int:
                if abs(value) > MAX_INTEGER:
                    raise Fault("it has a number beyond 2^53 - 1")
            elif kind is float:
                raise Fault("it has a fraction, which canonical JSON cannot hold")
        level = following
    raise Fault(f"it is nested deeper than {MAX_DEPTH} levels")


def _check_text(text: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Fault("it has a lone surrogate, which is not text") from None
