"""Passphrases: where they come from, what is refused, and that nothing shows them."""

from __future__ import annotations

import os
import threading

import pytest

from rstuf.errors import InvalidInput, PassphraseNeeded, RstufError, UnsafeDirectory
from rstuf.signing.secrets import (
    MAX_PASSPHRASE_BYTES,
    FixedSecrets,
    NoSecrets,
    load_secrets,
    read_passphrase_fd,
    read_passphrase_file,
)

PLANTED = b"planted-passphrase-7f3a"


@pytest.fixture
def passphrase_file(tmp_path):
    def write(data: bytes, name: str = "pass", mode: int = 0o600):
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(mode)
        return path

    return write


@pytest.fixture
def descriptor():
    """A pipe that holds some bytes and is closed at its other end."""
    opened = []

    def pipe(data: bytes) -> int:
        reader, writer = os.pipe()
        opened.append(reader)

        def feed() -> None:
            try:
                os.write(writer, data)
            except BrokenPipeError:
                pass
            finally:
                os.close(writer)

        threading.Thread(target=feed, daemon=True).start()
        return reader

    yield pipe
    for reader in opened:
        os.close(reader)


@pytest.mark.parametrize(
    ("data", "passphrase"),
    [
        (b"hunter2", b"hunter2"),
        (b"hunter2\n", b"hunter2"),
        (b"hunter2\r\n", b"hunter2"),
        (b" hunter2 \n", b" hunter2 "),
        (b"\xff\x00bytes\n", b"\xff\x00bytes"),
        (b"x" * MAX_PASSPHRASE_BYTES + b"\n", b"x" * MAX_PASSPHRASE_BYTES),
    ],
)
def test_a_passphrase_is_one_line(passphrase_file, descriptor, data, passphrase):
    """From a file and from a descriptor alike, only the line end is taken away."""
    assert read_passphrase_file(passphrase_file(data)) == passphrase
    assert read_passphrase_fd(descriptor(data)) == passphrase


@pytest.mark.parametrize("data", [b"", b"\n", b"\r\n", b"x" * (MAX_PASSPHRASE_BYTES + 1), b"x" * 100_000])
def test_no_passphrase_and_a_monstrous_one_are_refused(passphrase_file, descriptor, data):
    """Nothing, and more than 4 KiB, is not a passphrase."""
    with pytest.raises(InvalidInput):
        read_passphrase_file(passphrase_file(data))
    with pytest.raises(InvalidInput):
        read_passphrase_fd(descriptor(data))


@pytest.mark.parametrize("data", [b"one\ntwo\n", b"one\n\n", b"\none"])
def test_a_file_of_several_lines_is_refused(passphrase_file, data):
    """Which of them would be meant is not guessed."""
    with pytest.raises(InvalidInput, match=r"more than one line|empty"):
        read_passphrase_file(passphrase_file(data))


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o622, 0o610, 0o777])
def test_a_file_that_others_can_use_is_refused(passphrase_file, mode):
    """Readable or writable by group or others: refused, with the command that mends it."""
    path = passphrase_file(PLANTED, mode=mode)
    with pytest.raises(UnsafeDirectory) as caught:
        read_passphrase_file(path)
    assert caught.value.hint == f"chmod 600 {path}"


def test_only_a_regular_file_is_read(tmp_path, passphrase_file):
    """A directory, a FIFO (nobody waits for it), a device, a missing file are refused; a link to a file is not."""
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path, tmp_path / "fifo", "/dev/null", tmp_path / "missing", "a\0b"):
        with pytest.raises(InvalidInput):
            read_passphrase_file(path)
    (tmp_path / "link").symlink_to(passphrase_file(PLANTED))
    assert read_passphrase_file(tmp_path / "link") == PLANTED


def test_a_descriptor_gives_a_line_at_a_time(descriptor):
    """What follows the line stays there for its owner."""
    reader = descriptor(b"first\nsecond\nthe rest")
    assert read_passphrase_fd(reader) == b"first"
    assert read_passphrase_fd(reader) == b"second"
    assert os.read(reader, 100) == b"the rest"


def test_descriptors_that_give_nothing_are_refused(tmp_path):
    """One that is not open, is open for writing only, is beyond all numbers, or is a terminal."""
    with open(tmp_path / "out", "wb") as out:
        for number in (-1, 10**6, 10**30, out.fileno()):
            with pytest.raises(InvalidInput):
                read_passphrase_fd(number)
    ours, theirs = os.openpty()
    try:
        with pytest.raises(InvalidInput, match="terminal"):
            read_passphrase_fd(theirs)
    finally:
        os.close(ours)
        os.close(theirs)


def test_passphrases_by_name_and_for_all(passphrase_file, descriptor):
    """Options name a key or stand for all; names are compared as they are unique, without regard to case."""
    one = passphrase_file(b"one", "one")
    default = passphrase_file(b"default", "k=v")
    pipe = descriptor(b"two\n")
    secrets = load_secrets([f"Maria={one}", str(default)], [f"vault={pipe}"], None)
    assert secrets.passphrase("maria", new=False) == b"one"
    assert secrets.passphrase("VAULT", new=True) == b"two"
    assert secrets.passphrase("online", new=False) == b"default"


def test_a_name_may_be_used_where_there_is_no_directory(passphrase_file, monkeypatch, tmp_path):
    """`a=b` names the key a; `./a=b` names the file."""
    monkeypatch.chdir(tmp_path)
    passphrase_file(b"of the file a=b", "a=b")
    passphrase_file(b"of the file b", "b")
    assert load_secrets(["a=b"], [], None).passphrase("a", new=False) == b"of the file b"
    assert load_secrets(["./a=b"], [], None).passphrase("x", new=False) == b"of the file a=b"


def test_ambiguous_and_malformed_options_are_refused(passphrase_file, descriptor):
    """Two for one key, two for all, a name without a file, a descriptor that is no number."""
    one, two = passphrase_file(b"one", "one"), passphrase_file(b"two", "two")
    bad = [
        ([f"m={one}", f"M={two}"], []),
        ([str(one), str(two)], []),
        ([str(one)], [str(descriptor(b"x\n"))]),
        ([f"m={one}"], [f"m={descriptor(b'x')}"]),
        (["m="], []),
        (["=file"], []),
        ([""], []),
        ([], ["x"]),
        ([], ["m=x"]),
        ([], ["-1"]),
        ([], ["٣"]),
        ([], ["1" * 40]),
    ]
    for files, fds in bad:
        with pytest.raises(InvalidInput):
            load_secrets(files, fds, None)


def test_who_can_be_asked_is_asked_for_the_rest(passphrase_file):
    """A given passphrase is not asked for; another is, each time anew, with the key's name and whether it is new."""
    asked = []

    class Person(NoSecrets):
        def passphrase(self, key: str, *, new: bool) -> bytes:
            asked.append((key, new))
            return b"answer %d" % len(asked)

        def may_try_again(self, key: str) -> bool:
            return True

    secrets = load_secrets([f"maria={passphrase_file(b'given')}"], [], Person())
    assert secrets.passphrase("maria", new=True) == b"given"
    assert secrets.passphrase("vault", new=True) == b"answer 1"
    assert secrets.passphrase("vault", new=False) == b"answer 2"
    assert asked == [("vault", True), ("vault", False)]
    # Who was asked may be asked again; what was given beforehand stays wrong.
    assert (secrets.may_try_again("vault"), secrets.may_try_again("MARIA")) == (True, False)
    assert not any(each.may_try_again("x") for each in (NoSecrets(), FixedSecrets(b"x"), load_secrets([], [], None)))


def test_where_nobody_can_be_asked_it_is_said_which_key_waits():
    """The error names the key and the option."""
    for secrets in (NoSecrets(), FixedSecrets(), FixedSecrets(by_name={"other": b"x"}), load_secrets([], [], None)):
        with pytest.raises(PassphraseNeeded) as caught:
            secrets.passphrase("vault", new=False)
        assert caught.value.key == "vault"


def test_secrets_do_not_show_what_they_know(passphrase_file):
    """Neither `repr` nor the names of an object's attributes nor an error give a passphrase away."""
    fixed = FixedSecrets(PLANTED, {"maria": PLANTED})
    asking = load_secrets([str(passphrase_file(PLANTED))], [], FixedSecrets(PLANTED))
    for secrets in (fixed, asking):
        assert PLANTED.decode() not in f"{secrets!r} {secrets}"
        assert not hasattr(secrets, "__dict__")
    for data in (PLANTED + b"\n" + PLANTED, PLANTED * 1000):
        with pytest.raises(RstufError) as caught:
            read_passphrase_file(passphrase_file(data))
        assert PLANTED.decode() not in f"{caught.value!r} {caught.value.__dict__} {caught.getrepr(style='long')}"
