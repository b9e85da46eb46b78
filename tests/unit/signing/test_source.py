"""Private keys that are there: opened when asked for, only by those who may, and never mixed up."""

from __future__ import annotations

import os

import pytest
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED, Asked, make

from rstuf.errors import InvalidKey, SignerUnavailable, SigningError, UnsafeDirectory, WrongPassphrase
from rstuf.metadata.key_identity import public_key, verify_signature
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.signing import containers
from rstuf.signing.secrets import AskingSecrets, FixedSecrets, NoSecrets
from rstuf.signing.source import KeyFileSource


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
