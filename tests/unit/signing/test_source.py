"""Keys of a workspace: made once, kept private, opened again, never mixed up."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime

import pytest
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.unit.signing import keyring

from rstuf.errors import (
    InvalidKey,
    PassphraseNeeded,
    SignerUnavailable,
    SigningError,
    StorageError,
    UnsafeDirectory,
    WrongPassphrase,
)
from rstuf.metadata.key_identity import public_key, verify_signature
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.repository.interfaces import KeyMaker, NewKey, RoleSigner, SignerSource
from rstuf.signing import containers, keyfiles
from rstuf.signing.secrets import AskingSecrets, FixedSecrets, NoSecrets
from rstuf.signing.source import KeyFileSource

ADDED = datetime(2026, 11, 20, 12, tzinfo=UTC)
URI = "file:keys/maria.key"


class Asked:
    """Gives one passphrase and remembers what it was asked for."""

    def __init__(self, passphrase: bytes = b"correct horse") -> None:
        self.answers, self.asked = passphrase, []

    def passphrase(self, key: str, *, new: bool) -> bytes:
        self.asked.append((key, new))
        return self.answers

    def may_try_again(self, key: str) -> bool:
        return False


def make(workspace, secrets=None, *, scheme="ed25519", uri=URI, encrypt=False, reuse=False) -> NewKey:
    source = KeyFileSource(workspace, secrets or NoSecrets())
    return source.generate("maria", scheme, uri, encrypt=encrypt, reuse=reuse, added=ADDED)


def files(directory) -> dict[str, int]:
    """Everything below a directory, with its permission bits."""
    return {
        str(path.relative_to(directory)): stat.S_IMODE(path.lstat().st_mode) for path in sorted(directory.rglob("*"))
    }


# --- making and opening --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa", "rsa"])
@pytest.mark.parametrize("encrypt", [False, True])
def test_a_key_is_made_saved_and_opened_again(workspace, scheme, encrypt):
    """It signs before it is saved and after it is opened; stock code verifies both under the same key id."""
    secrets = Asked()
    made = make(workspace, secrets, scheme=scheme, encrypt=encrypt)
    assert files(workspace) == {}
    made.save()
    opened = KeyFileSource(workspace, secrets).open(made.entry)
    assert secrets.asked == ([("maria", True), ("maria", False)] if encrypt else [])
    assert made.entry.name == "maria"
    assert (made.entry.signer, made.entry.added) == (URI, ADDED)
    theirs = SSlibKey.from_dict(made.entry.keyid, made.entry.key.to_dict())
    for signer in (made.signer, opened):
        assert signer.keyid == made.entry.keyid
        signature = signer.sign(b"payload")
        assert verify_signature(made.entry.key, signature, b"payload")
        theirs.verify_signature(LibrarySignature(signer.keyid, signature), b"payload")


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa", "rsa"])
def test_the_public_half_beside_it_is_the_key(workspace, scheme):
    """What lies beside a private key is read as the very key object that the repository will hold."""
    made = make(workspace, scheme=scheme)
    made.save()
    source = KeyFileSource(workspace, NoSecrets())
    assert source.read_public("keys/maria.pub") == made.entry.key
    assert source.public_of("maria", URI) == made.entry.key
    assert made.entry.key.to_dict() == SSlibKey.from_crypto(_loaded(made.entry.key)).to_dict()
    assert made.entry.keyid == SSlibKey.from_crypto(_loaded(made.entry.key)).keyid


def _loaded(key: PublicKey):
    return SSlibKey.from_dict("id", key.to_dict())._crypto_key()


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o277])
@pytest.mark.parametrize("encrypt", [False, True])
def test_permissions_do_not_depend_on_the_umask(workspace, umask, encrypt):
    """The private key 0600, the directories made for it 0700, the public half 0644; nothing else is left there."""
    before = os.umask(umask)
    try:
        make(workspace, Asked(), uri="file:a/b/maria.key", encrypt=encrypt).save()
    finally:
        os.umask(before)
    assert files(workspace) == {"a": 0o700, "a/b": 0o700, "a/b/maria.key": 0o600, "a/b/maria.pub": 0o644}


def test_a_private_key_is_never_wider_than_its_owner_even_while_it_is_written(workspace, monkeypatch):
    """Before the first byte goes out its file is 0600, whatever the umask."""
    seen = []
    real = os.write

    def watching(descriptor: int, data: bytes) -> int:
        seen.append((b"PRIVATE KEY" in bytes(data), stat.S_IMODE(os.fstat(descriptor).st_mode)))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", watching)
    before = os.umask(0)
    try:
        make(workspace).save()
    finally:
        os.umask(before)
    assert (True, 0o600) in seen
    assert all(mode == 0o600 for private, mode in seen if private)


@pytest.mark.parametrize(
    ("uri", "public"),
    [
        ("file:maria", "maria.pub"),
        ("file:maria.key", "maria.pub"),
        ("file:maria.pem", "maria.pem.pub"),
        ("file:k", "k.pub"),
    ],
)
def test_names_of_public_halves(workspace, uri, public):
    """`NAME.pub` beside `NAME` or `NAME.key`."""
    make(workspace, uri=uri).save()
    assert sorted(files(workspace)) == sorted([uri.removeprefix("file:"), public])


def test_an_absolute_place_is_taken_as_it_is(workspace, tmp_path):
    """Keys may live outside of the workspace."""
    made = make(workspace, uri=f"file:{tmp_path}/elsewhere/maria.key")
    made.save()
    assert sorted(os.listdir(tmp_path / "elsewhere")) == ["maria.key", "maria.pub"]
    assert files(workspace) == {}


def test_the_source_is_what_the_engine_asks_for(workspace):
    """Its parts have every member of the protocols they stand for."""
    source, made = KeyFileSource(workspace, NoSecrets()), make(workspace)
    for protocol, thing in ((SignerSource, source), (KeyMaker, source), (NewKey, made), (RoleSigner, made.signer)):
        members = [name for name in vars(protocol) if not name.startswith("_")]
        assert members
        assert all(hasattr(thing, name) for name in members)


# --- places that are taken -----------------------------------------------------------------------------------


def test_nothing_is_ever_overwritten(workspace):
    """A file, a directory, a dangling link or a public half in the place: refused before a passphrase is asked."""
    (workspace / "file.key").write_bytes(b"kept")
    (workspace / "dir.key").mkdir()
    (workspace / "link.key").symlink_to("nowhere")
    (workspace / "half.pub").write_bytes(b"kept")
    before = files(workspace)
    secrets = Asked()
    for name in ("file", "dir", "link", "half"):
        with pytest.raises(InvalidKey, match="taken"):
            make(workspace, secrets, uri=f"file:{name}.key", encrypt=True)
    assert secrets.asked == []
    assert files(workspace) == before
    assert (workspace / "file.key").read_bytes() == (workspace / "half.pub").read_bytes() == b"kept"


@pytest.mark.parametrize("name", ["maria.key", "maria.pub"])
def test_a_place_that_is_taken_meanwhile_is_not_overwritten(workspace, name):
    """Between making and saving, someone else was faster: their file stays, and ours is not written."""
    made = make(workspace)
    (workspace / "keys").mkdir(mode=0o700)
    (workspace / "keys" / name).write_bytes(b"theirs")
    with pytest.raises(InvalidKey, match="taken"):
        made.save()
    assert os.listdir(workspace / "keys") == [name]
    assert (workspace / "keys" / name).read_bytes() == b"theirs"


def test_the_last_moment_race_is_lost_without_harm(workspace, monkeypatch):
    """Even a file that appears after the look stays as it is."""
    made = make(workspace)
    (workspace / "keys").mkdir(mode=0o700)
    (workspace / "keys" / "maria.key").write_bytes(b"theirs")
    monkeypatch.setattr(keyfiles, "is_taken", lambda path: False)
    with pytest.raises(InvalidKey, match="taken"):
        made.save()
    assert os.listdir(workspace / "keys") == ["maria.key"]
    assert (workspace / "keys" / "maria.key").read_bytes() == b"theirs"


@pytest.mark.parametrize("uri", ["file:maria.pub", "file:keys/", "file:.", "file:/"])
def test_places_that_are_not_for_private_keys(workspace, uri):
    """Names of public halves and of directories."""
    with pytest.raises(InvalidKey):
        make(workspace, uri=uri).save()


def test_a_directory_that_is_none_is_refused(workspace):
    """A file where the directory should be."""
    (workspace / "keys").write_bytes(b"")
    with pytest.raises(InvalidKey):
        make(workspace)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o1777])
def test_a_directory_that_others_can_write_to_is_refused(workspace, mode):
    """Whoever can write there can put another key in place; the hint mends it."""
    (workspace / "keys").mkdir()
    (workspace / "keys").chmod(mode)
    with pytest.raises(UnsafeDirectory) as caught:
        make(workspace)
    assert caught.value.hint == f"chmod go-w {workspace / 'keys'}"
    made = _saved_elsewhere(workspace)
    with pytest.raises(UnsafeDirectory):
        made.save()
    assert os.listdir(workspace / "keys") == []


def _saved_elsewhere(workspace):
    """A key whose directory became unsafe after it was made."""
    mode = (workspace / "keys").stat().st_mode
    (workspace / "keys").chmod(0o700)
    made = make(workspace)
    (workspace / "keys").chmod(stat.S_IMODE(mode))
    return made


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_directory_of_another_user_is_refused(workspace):
    """Its owner could put another key in place."""
    (workspace / "keys").mkdir(mode=0o700)
    os.chown(workspace / "keys", 12345, 12345)
    with pytest.raises(UnsafeDirectory, match="another user"):
        make(workspace)


def test_unknown_kinds_are_refused(workspace):
    """Only three kinds are made; the hint names them, and nobody is asked for a passphrase."""
    secrets = Asked()
    for scheme in ("", "ED25519", "ecdsa-sha2-nistp256", "dsa", "p384"):
        with pytest.raises(InvalidKey) as caught:
            make(workspace, secrets, scheme=scheme, encrypt=True)
        assert caught.value.hint == "choose one of ed25519, ecdsa, rsa"
    assert secrets.asked == []


def test_a_key_that_cannot_be_written_leaves_nothing(workspace, monkeypatch):
    """No space: the error says so, and no part of the key is left."""
    made = make(workspace)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError):
        made.save()
    assert [name for name in files(workspace) if name != "keys"] == []


def test_without_a_passphrase_no_encrypted_key_is_made(workspace):
    """Nobody to ask, and an empty answer: no key, no file."""
    with pytest.raises(PassphraseNeeded):
        make(workspace, NoSecrets(), encrypt=True)
    with pytest.raises(InvalidKey, match="passphrase"):
        make(workspace, FixedSecrets(b""), encrypt=True)
    assert files(workspace) == {}


# --- going on after an interruption --------------------------------------------------------------------------


@pytest.mark.parametrize("encrypt", [False, True])
def test_a_key_that_is_there_is_taken_as_it_is(workspace, encrypt):
    """With `reuse` the same key comes back, opened with its own passphrase, and saving changes nothing."""
    first = make(workspace, Asked(), encrypt=encrypt)
    first.save()
    before = {path: path.read_bytes() for path in (workspace / "keys").iterdir()}
    secrets = Asked()
    again = make(workspace, secrets, encrypt=encrypt, reuse=True)
    again.save()
    assert again.entry == first.entry
    assert secrets.asked == ([("maria", False)] if encrypt else [])
    assert {path: path.read_bytes() for path in (workspace / "keys").iterdir()} == before
    assert verify_signature(first.entry.key, again.signer.sign(b"x"), b"x")


def test_a_public_half_that_an_interruption_left_out_is_completed(workspace):
    """The private key was saved and the power went: running again writes what is missing."""
    first = make(workspace)
    first.save()
    (workspace / "keys" / "maria.pub").unlink()
    make(workspace, reuse=True).save()
    assert KeyFileSource(workspace, NoSecrets()).read_public("keys/maria.pub") == first.entry.key


def test_reuse_makes_what_is_not_there(workspace):
    """A ceremony that goes on makes the keys it had not come to."""
    made = make(workspace, reuse=True)
    made.save()
    assert "keys/maria.key" in files(workspace)


def test_reuse_does_not_take_anything_else(workspace, key_file):
    """A key of another kind, an unencrypted one where encryption is asked for, no key at all, a foreign public half."""
    key_file("ssl-p256.key")
    key_file("ssl-ed25519.key")
    (workspace / "garbage.key").write_bytes(b"garbage")
    for name, scheme, encrypt in (
        ("ssl-p256.key", "ed25519", False),
        ("ssl-p256.key", "rsa", False),
        ("ssl-ed25519.key", "ed25519", True),
        ("garbage.key", "ed25519", False),
    ):
        with pytest.raises(InvalidKey):
            make(workspace, Asked(), uri=f"file:{name}", scheme=scheme, encrypt=encrypt, reuse=True)
    for text in (b"garbage", (keyring.FIXTURES / "ssh-ed25519.pub").read_bytes()):
        (workspace / "ssl-ed25519.pub").write_bytes(text)
        with pytest.raises(InvalidKey, match="not the public half"):
            make(workspace, uri="file:ssl-ed25519.key", reuse=True)


def test_reuse_with_the_wrong_passphrase_says_so(workspace):
    """The key stays closed and in place."""
    make(workspace, Asked(), encrypt=True).save()
    with pytest.raises(WrongPassphrase):
        make(workspace, Asked(b"wrong"), encrypt=True, reuse=True)
    with pytest.raises(PassphraseNeeded):
        make(workspace, NoSecrets(), encrypt=True, reuse=True)


# --- opening -------------------------------------------------------------------------------------------------


def entry_for(path, *, name: str = "maria", secret=None) -> KeyEntry:
    """An entry for a private key that a fixture holds."""
    if secret is None:
        secret = containers.parse_container(path.read_bytes(), where="test").open(b"correct horse", key="maria")
    key = public_key(secret.public_key(), where="test")
    return KeyEntry(name, key, f"file:{path.name}", ADDED)


@pytest.mark.parametrize(
    "name",
    [
        "ssh-ed25519",
        "ssh-p256-encrypted",
        "ssh-rsa-encrypted",
        "ssl-p256-encrypted",
        "ssl-p256-traditional",
        "ssh-p384",
    ],
)
def test_keys_of_other_tools_sign(workspace, key_file, name):
    """What OpenSSH and OpenSSL made signs here, P-384 too: an adopted root may need it once more to let go of it."""
    path = key_file(f"{name}.key")
    entry = entry_for(path)
    signature = KeyFileSource(workspace, Asked()).open(entry).sign(b"payload")
    assert verify_signature(entry.key, signature, b"payload")


@pytest.mark.parametrize("scheme", [*keyring.PSS, *keyring.PKCS1])
def test_an_rsa_key_signs_by_the_scheme_it_is_listed_with(workspace, key_file, scheme):
    """The key object says how; the library verifies it."""
    path = key_file("ssl-rsa.key")
    plain = entry_for(path)
    entry = KeyEntry("maria", PublicKey("rsa", scheme, plain.key.public), plain.signer, ADDED)
    signature = KeyFileSource(workspace, NoSecrets()).open(entry).sign(b"payload")
    theirs = SSlibKey.from_dict(entry.keyid, entry.key.to_dict())
    theirs.verify_signature(LibrarySignature(entry.keyid, signature), b"payload")


def test_a_scheme_that_is_not_the_keys_does_not_sign(workspace, key_file):
    """An entry with a scheme that its key cannot follow is unavailable."""
    plain = entry_for(key_file("ssl-ed25519.key"))
    entry = KeyEntry("maria", PublicKey("ed25519", "ed25519ph", plain.key.public), plain.signer, ADDED)
    with pytest.raises(SignerUnavailable, match="ed25519ph"):
        KeyFileSource(workspace, NoSecrets()).open(entry)


@pytest.mark.parametrize("name", ["ssh-ed25519-encrypted", "ssl-ed25519-encrypted", "ssl-ed25519"])
def test_another_key_in_the_place_is_not_used(workspace, key_file, name):
    """The file holds a key, but not the one known by that name; OpenSSH files show it before a passphrase is asked."""
    path = key_file(f"{name}.key")
    secrets = Asked()
    with pytest.raises(SignerUnavailable, match="another key"):
        KeyFileSource(workspace, secrets).open(entry_for(path, secret=keyring.private("ed25519")))
    assert secrets.asked == ([("maria", False)] if name == "ssl-ed25519-encrypted" else [])


def test_the_entry_may_spell_its_key_in_another_way(workspace, key_file):
    """An adopted root's spelling is compared by value, and signatures carry its key id."""
    plain = entry_for(key_file("ssl-p256.key"))
    spelt = PublicKey("ecdsa-sha2-nistp256", plain.key.scheme, plain.key.public.replace("\n", "\r\n"))
    entry = KeyEntry("maria", spelt, plain.signer, ADDED)
    signer = KeyFileSource(workspace, NoSecrets()).open(entry)
    assert signer.keyid == entry.keyid != plain.keyid
    assert verify_signature(plain.key, signer.sign(b"payload"), b"payload")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o602])
def test_a_private_key_that_others_can_use(workspace, key_file, mode):
    """Unencrypted it is refused, with the command that mends it; encrypted it is accepted."""
    plain, encrypted = key_file("ssl-ed25519.key", mode), key_file("ssh-ed25519-encrypted.key", mode)
    source = KeyFileSource(workspace, Asked())
    with pytest.raises(UnsafeDirectory) as caught:
        source.open(entry_for(plain))
    assert caught.value.hint == f"chmod 600 {plain}"
    assert source.open(entry_for(encrypted)).sign(b"payload")


def test_files_that_are_no_keys_are_unavailable(workspace):
    """Missing, a directory, a FIFO (nobody waits for it), a device, too long, a public key: each with its reason."""
    (workspace / "dir.key").mkdir()
    os.mkfifo(workspace / "fifo.key", 0o600)
    (workspace / "long.key").write_bytes(b"x" * 70_000)
    (workspace / "public.key").write_bytes((keyring.FIXTURES / "ssl-p256.pub").read_bytes())
    reasons = {
        "missing.key": "no such file",
        "dir.key": "not a regular file",
        "fifo.key": "not a regular file",
        "/dev/zero": "not a regular file",
        "long.key": "longer than",
        "public.key": "public key",
        "x" * 300: "cannot be opened",
    }
    for name, reason in reasons.items():
        entry = KeyEntry("maria", keyring.public("ed25519"), f"file:{name}", ADDED)
        with pytest.raises(SignerUnavailable, match=reason) as caught:
            KeyFileSource(workspace, NoSecrets()).open(entry)
        assert caught.value.key == "maria"


def test_a_link_to_a_key_is_followed(workspace, key_file, tmp_path):
    """Keys that a secret store mounts elsewhere are linked to."""
    path = key_file("ssl-ed25519.key")
    os.rename(path, tmp_path / "elsewhere.key")
    path.symlink_to(tmp_path / "elsewhere.key")
    assert KeyFileSource(workspace, NoSecrets()).open(entry_for(path)).sign(b"payload")


class Forgetful(Asked):
    """Gives one answer after the other and has two tries."""

    def __init__(self, *answers: bytes) -> None:
        self.rest, self.asked, self.failures = list(answers), [], 0

    def passphrase(self, key: str, *, new: bool) -> bytes:
        self.asked.append((key, new))
        return self.rest.pop(0)

    def may_try_again(self, key: str) -> bool:
        self.failures += 1
        return self.failures < 2


def test_who_mistypes_is_asked_again_for_that_key(workspace, key_file):
    """A wrong answer is asked for again as long as whoever answers wants that, and no longer."""
    entry = entry_for(key_file("ssh-ed25519-encrypted.key"))
    person = Forgetful(b"wrong", b"correct horse")
    source = KeyFileSource(workspace, AskingSecrets(NoSecrets(), person))
    assert source.open(entry).sign(b"payload")
    assert person.asked == [("maria", False)] * 2
    person = Forgetful(b"wrong", b"wrong again", b"correct horse")
    with pytest.raises(WrongPassphrase):
        KeyFileSource(workspace, AskingSecrets(NoSecrets(), person)).open(entry)
    assert person.rest == [b"correct horse"]


def test_what_was_given_beforehand_is_never_tried_twice(workspace, key_file):
    """A wrong passphrase from a file is wrong at once, even where a person could be asked."""
    entry = entry_for(key_file("ssh-ed25519-encrypted.key"))
    person = Forgetful(b"correct horse")
    with pytest.raises(WrongPassphrase):
        KeyFileSource(workspace, AskingSecrets(FixedSecrets(b"wrong"), person)).open(entry)
    assert person.asked == []


def test_a_key_that_told_its_public_half_is_opened_once(workspace, key_file):
    """`public_of` and then `open` ask for one passphrase; the next `open` asks again."""
    path = key_file("ssh-ed25519-encrypted.key")
    secrets = Asked()
    source = KeyFileSource(workspace, secrets)
    key = source.public_of("maria", "file:ssh-ed25519-encrypted.key")
    assert key == entry_for(path).key
    entry = KeyEntry("maria", key, "file:ssh-ed25519-encrypted.key", ADDED)
    assert verify_signature(key, source.open(entry).sign(b"x"), b"x")
    assert secrets.asked == [("maria", False)]
    assert source.open(entry).sign(b"x")
    assert len(secrets.asked) == 2


def test_what_public_of_opened_serves_its_own_entry_only(workspace, key_file):
    """An entry that claims another key for the same place is not signed for with it."""
    key_file("ssl-ed25519.key")
    source = KeyFileSource(workspace, NoSecrets())
    source.public_of("maria", "file:ssl-ed25519.key")
    with pytest.raises(SignerUnavailable, match="another key"):
        source.open(KeyEntry("maria", keyring.public("ed25519"), "file:ssl-ed25519.key", ADDED))


def test_public_of_lets_in_what_a_repository_may_list(workspace, key_file):
    """P-384 stays outside; a wrong passphrase and a missing file are told as when signing."""
    key_file("ssh-p384.key")
    key_file("ssh-ed25519-encrypted.key")
    source = KeyFileSource(workspace, Asked(b"wrong"))
    with pytest.raises(SignerUnavailable, match="every client"):
        source.public_of("maria", "file:ssh-p384.key")
    with pytest.raises(WrongPassphrase):
        source.public_of("maria", "file:ssh-ed25519-encrypted.key")
    with pytest.raises(SignerUnavailable, match="no such file"):
        source.public_of("maria", "file:missing.key")


def test_public_keys_are_found_beside_the_plan(workspace, tmp_path):
    """Locations are relative to `inputs`, and absolute ones stay."""
    inputs = tmp_path / "plans"
    inputs.mkdir()
    (inputs / "maria.pub").write_bytes((keyring.FIXTURES / "ssh-ed25519.pub").read_bytes())
    source = KeyFileSource(workspace, NoSecrets(), inputs=inputs)
    key = source.read_public("maria.pub")
    assert source.read_public(str(inputs / "maria.pub")) == key
    for location in ("", ".", "missing.pub", "a\0b", "\ud800", "x" * 5000):
        with pytest.raises(InvalidKey):
            source.read_public(location)


def test_a_key_that_fails_to_sign_says_no_more_than_that(workspace):
    """Whatever goes wrong below, a signing error names the key and nothing else."""
    signer = make(workspace).signer
    with pytest.raises(SigningError, match="the key maria did not sign") as caught:
        signer.sign("no bytes")
    assert caught.value.__context__ is None
