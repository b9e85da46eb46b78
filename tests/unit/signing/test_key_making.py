"""Keys of a workspace are made once: saved as they signed, private, and taken up again after an interruption."""

from __future__ import annotations

import os
import stat

import pytest
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.support.files import umask as under_umask
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED, URI, Asked, files, make

from rstuf.errors import InvalidKey, PassphraseNeeded, WrongPassphrase
from rstuf.metadata.key_identity import verify_signature
from rstuf.model.keys import PublicKey
from rstuf.repository.interfaces import KeyMaker, NewKey, RoleSigner, SignerSource
from rstuf.signing.secrets import FixedSecrets, NoSecrets
from rstuf.signing.source import KeyFileSource

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
    with under_umask(umask):
        make(workspace, Asked(), uri="file:a/b/maria.key", encrypt=encrypt).save()
    assert files(workspace) == {"a": 0o700, "a/b": 0o700, "a/b/maria.key": 0o600, "a/b/maria.pub": 0o644}


def test_a_private_key_is_never_wider_than_its_owner_even_while_it_is_written(workspace, monkeypatch):
    """Before the first byte goes out its file is 0600, whatever the umask."""
    seen = []
    real = os.write

    def watching(descriptor: int, data: bytes) -> int:
        seen.append((b"PRIVATE KEY" in bytes(data), stat.S_IMODE(os.fstat(descriptor).st_mode)))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", watching)
    with under_umask(0):
        make(workspace).save()
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


# --- kinds and passphrases -----------------------------------------------------------------------------------


def test_unknown_kinds_are_refused(workspace):
    """Only three kinds are made; the hint names them, and nobody is asked for a passphrase."""
    secrets = Asked()
    for scheme in ("", "ED25519", "ecdsa-sha2-nistp256", "dsa", "p384"):
        with pytest.raises(InvalidKey) as caught:
            make(workspace, secrets, scheme=scheme, encrypt=True)
        assert caught.value.hint == "choose one of ed25519, ecdsa, rsa"
    assert secrets.asked == []


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
