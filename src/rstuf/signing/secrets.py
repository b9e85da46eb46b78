"""Passphrases: from files, from descriptors, or from whoever can ask a person. Never from arguments or the environment.

Python cannot wipe memory: a passphrase that was read stays in the process until it ends. What can be promised is that
it is in no `repr`, error, log or file.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rstuf.errors import InputMissing, InvalidInput, PassphraseNeeded, PinNeeded, UnsafeDirectory, shorten
from rstuf.repository.interfaces import Secrets

MAX_PASSPHRASE_BYTES: Final = 4096
_FILE_HINT: Final = "name a file that you alone can read, with one line in it"
_FD_HINT: Final = "open it for the command: --passphrase-fd 3 3< FILE"


class NoSecrets:
    """Knows no passphrase and asks nobody."""

    def passphrase(self, key: str, *, new: bool) -> bytes:
        """Never one.

        Raises:
            PassphraseNeeded: always.
        """
        raise PassphraseNeeded(key, new=new)

    def may_try_again(self, key: str) -> bool:
        """Never."""
        return False

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        """Never one.

        Raises:
            PinNeeded: always.
        """
        raise PinNeeded(key, token=token, last_try=last_try)


class FixedSecrets:
    """Passphrases that were given beforehand: for some keys by name, and one for all others.

    Names are compared without regard to case, as they are unique.
    """

    __slots__ = ("_by_name", "_default")

    def __init__(self, default: bytes | None = None, by_name: Mapping[str, bytes] | None = None) -> None:
        self._default = default
        self._by_name = {name.casefold(): passphrase for name, passphrase in (by_name or {}).items()}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {len(self._by_name)} keys>"

    def passphrase(self, key: str, *, new: bool) -> bytes:
        """The one given for `key`, else the one for all.

        Raises:
            PassphraseNeeded: neither was given.
        """
        found = self._by_name.get(key.casefold(), self._default)
        if found is None:
            raise PassphraseNeeded(key, new=new)
        return found

    def may_try_again(self, key: str) -> bool:
        """Never: what was given beforehand stays what it is."""
        return False

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        """The one given for `key` by its name, unless it would be the last try.

        Raises:
            PinNeeded: none was, or nobody is here to answer for the last try.
        """
        found = self._by_name.get(key.casefold())
        if found is None or last_try:
            raise PinNeeded(key, token=token, last_try=last_try)
        return found


class AskingSecrets:
    """Takes what was given beforehand and leaves the rest to whoever can ask a person."""

    __slots__ = ("_given", "_person")

    def __init__(self, given: Secrets, person: Secrets) -> None:
        self._given, self._person = given, person

    def passphrase(self, key: str, *, new: bool) -> bytes:
        """The one given, else the answer.

        Raises:
            PassphraseNeeded: whoever was asked has none.
        """
        found = self._found(key, new=new)
        return self._person.passphrase(key, new=new) if found is None else found

    def may_try_again(self, key: str) -> bool:
        """Where a person mistyped it, that is for them to say."""
        return self._found(key, new=False) is None and self._person.may_try_again(key)

    def pin(self, key: str, *, token: str, last_try: bool) -> bytes:
        """The one given for this key, else the answer."""
        try:
            return self._given.pin(key, token=token, last_try=last_try)
        except PinNeeded:
            return self._person.pin(key, token=token, last_try=last_try)

    def _found(self, key: str, *, new: bool) -> bytes | None:
        try:
            return self._given.passphrase(key, new=new)
        except PassphraseNeeded:
            return None


def load_secrets(files: Sequence[str], fds: Sequence[str], person: Secrets | None) -> Secrets:
    """The passphrases that a command line names, read at once, before any work begins.

    Args:
        files: values of `--passphrase-file`: `FILE` for every key, or `KEY=FILE`. What stands before the first `=` is a
            key's name unless it holds a `/` (or `\\`): `./a=b` is a file.
        fds: values of `--passphrase-fd`: `N` or `KEY=N`. Of one descriptor that is named several times, each name takes
            the next line.
        person: asks somebody for what is not given; None where nobody can be asked.

    Raises:
        InvalidInput: one cannot be read, or two are given for one key.
        UnsafeDirectory: others can read a file.
    """
    given: dict[str, bytes] = {}
    default: bytes | None = None
    options = [(option, _of_file(option)) for option in files] + [(option, _of_fd(option)) for option in fds]
    for option, (name, passphrase) in options:
        if name is None and default is not None:
            raise InvalidInput(
                f"{shorten(option)!r} gives a second passphrase for all keys", hint="name the key: KEY=FILE"
            )
        if name is not None and name.casefold() in given:
            raise InvalidInput(f"{shorten(option)!r} gives a second passphrase for {name}", hint="give one of them")
        if name is None:
            default = passphrase
        else:
            given[name.casefold()] = passphrase
    fixed = FixedSecrets(default, given)
    return fixed if person is None else AskingSecrets(fixed, person)


def keys_named_in(options: Iterable[str]) -> list[str]:
    """The names of keys in values of `--passphrase-file` and `--passphrase-fd`, as they are written there."""
    return [name for name, _ in map(_split, options) if name is not None]


def read_passphrase_file(path: str | os.PathLike[str]) -> bytes:
    """The one line in a private file, without its line end.

    Symbolic links are followed (service managers hand secrets over that way); what they lead to must be a regular file
    that only its owner can read, of at most 4 KiB.

    Raises:
        InputMissing: it is not there.
        InvalidInput: it cannot be read, is empty, too long, or has more than one line.
        UnsafeDirectory: group or others can read or write it.
    """
    where = f"the passphrase file {os.fspath(path)}"
    try:
        # Not to wait for the writer of a FIFO.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError):
        raise InputMissing(where, hint=_FILE_HINT) from None
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or "it has no usable name"
        raise InvalidInput(f"{where} cannot be opened: {reason.lower()}", hint=_FILE_HINT) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise InvalidInput(f"{where} is not a regular file", hint=_FILE_HINT)
        if os.name == "posix" and status.st_mode & 0o077:
            raise UnsafeDirectory(
                os.fspath(path), "others can read this passphrase", hint=f"chmod 600 {shlex.quote(os.fspath(path))}"
            )
        data = _read(descriptor, where)
    finally:
        os.close(descriptor)
    line, _, rest = data.partition(b"\n")
    if rest:
        raise InvalidInput(f"{where} has more than one line", hint="a passphrase is one line; keep one in each file")
    return _passphrase(line, where)


def read_passphrase_fd(fd: int) -> bytes:
    """The next line that an open descriptor gives, without its line end. What follows stays unread.

    Raises:
        InvalidInput: it is not open, is a terminal, or gives nothing, or more than 4 KiB without a line end.
    """
    where = f"the passphrase descriptor {fd}"
    if fd < 0:
        raise InvalidInput(f"{where} is not a descriptor", hint=_FD_HINT)
    line = bytearray()
    try:
        if os.isatty(fd):
            raise InvalidInput(f"{where} is a terminal", hint="leave the option out, and the passphrase is asked for")
        # One at a time: what follows the line is somebody else's.
        while (byte := os.read(fd, 1)) not in {b"", b"\n"}:
            line += byte
            if len(line) > MAX_PASSPHRASE_BYTES:
                break
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no such descriptor"
        raise InvalidInput(f"{where} cannot be read: {reason}", hint=_FD_HINT) from None
    return _passphrase(bytes(line), where)


def _read(descriptor: int, where: str) -> bytes:
    data = bytearray()
    try:
        while len(data) <= MAX_PASSPHRASE_BYTES + 2 and (chunk := os.read(descriptor, MAX_PASSPHRASE_BYTES)):
            data += chunk
    except OSError as error:
        raise InvalidInput(f"{where} cannot be read: {error.strerror}", hint=_FILE_HINT) from None
    return bytes(data)


def _passphrase(line: bytes, where: str) -> bytes:
    passphrase = line.removesuffix(b"\r")
    if not passphrase:
        raise InvalidInput(f"{where} is empty", hint="a passphrase is one line; write it there")
    if len(passphrase) > MAX_PASSPHRASE_BYTES:
        raise InvalidInput(f"{where} has more than {MAX_PASSPHRASE_BYTES} bytes", hint=_FILE_HINT)
    return passphrase


def _of_file(option: str) -> tuple[str | None, bytes]:
    name, path = _split(option)
    return name, read_passphrase_file(path)


def _of_fd(option: str) -> tuple[str | None, bytes]:
    name, number = _split(option)
    if not (number.isascii() and number.isdecimal() and len(number) < 10):
        # It is not repeated: somebody may have written the passphrase itself.
        raise InvalidInput("a passphrase descriptor is not a number", hint="write N or KEY=N, with a number N")
    return name, read_passphrase_fd(int(number))


def _split(option: str) -> tuple[str | None, str]:
    name, equals, value = option.partition("=")
    if not equals or "/" in name or "\\" in name:
        return None, option
    if not name or not value:
        raise InvalidInput(f"{shorten(option)!r} is not of the form KEY=FILE", hint="write FILE, or KEY=FILE")
    return name, value
