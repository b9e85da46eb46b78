"""Keys and signatures go both ways between rstuf and OpenSSH, OpenSSL and securesystemslib.

What the tools make is read from the fixtures too (`test_containers`, `test_public_keys`), so that this half of the
promise is kept where the tools are not installed.
"""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime

import pytest
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import Signer, SSlibKey

from rstuf.metadata.key_identity import verify_signature
from rstuf.model.keys import KeyEntry
from rstuf.signing.secrets import FixedSecrets, NoSecrets
from rstuf.signing.source import KeyFileSource

ADDED = datetime(2026, 11, 20, tzinfo=UTC)
PASSPHRASE = "correct horse"


def run(*arguments: object, **options) -> str:
    tool = shutil.which(str(arguments[0]))
    if tool is None:
        pytest.skip(f"{arguments[0]} is not installed; what it makes is read from the fixtures")
    command = [tool, *map(str, arguments[1:])]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60, **options).stdout


def make(workspace, scheme: str, *, encrypt: bool):
    source = KeyFileSource(workspace, FixedSecrets(PASSPHRASE.encode()))
    made = source.generate("maria", scheme, "file:maria.key", encrypt=encrypt, reuse=False, added=ADDED)
    made.save()
    return made, workspace / "maria.key"


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa", "rsa"])
def test_openssh_reads_our_encrypted_keys(workspace, scheme):
    """`ssh-keygen` opens one with the passphrase, and tells the public half that we tell."""
    made, path = make(workspace, scheme, encrypt=True)
    line = run("ssh-keygen", "-y", "-P", PASSPHRASE, "-f", path)
    (workspace / "told.pub").write_text(line)
    assert KeyFileSource(workspace, NoSecrets()).read_public("told.pub") == made.entry.key
    with pytest.raises(subprocess.CalledProcessError):
        run("ssh-keygen", "-y", "-P", "wrong", "-f", path)


def test_openssh_changes_our_passphrases(workspace):
    """A passphrase changed or taken away by `ssh-keygen -p` changes nothing else: the key opens and is the same."""
    made, path = make(workspace, "ed25519", encrypt=True)
    run("ssh-keygen", "-q", "-p", "-P", PASSPHRASE, "-N", "another one", "-a", "1", "-f", path)
    signer = KeyFileSource(workspace, FixedSecrets(b"another one")).open(made.entry)
    assert verify_signature(made.entry.key, signer.sign(b"x"), b"x")
    run("ssh-keygen", "-q", "-p", "-P", "another one", "-N", "", "-f", path)
    assert KeyFileSource(workspace, NoSecrets()).open(made.entry).keyid == made.entry.keyid


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_we_read_what_openssh_makes(workspace, kind):
    """A key of `ssh-keygen`, encrypted as it does by itself, signs here; its public line is the same key."""
    path = workspace / "ssh"
    run("ssh-keygen", "-q", "-t", kind, "-N", PASSPHRASE, "-f", path)
    source = KeyFileSource(workspace, FixedSecrets(PASSPHRASE.encode()))
    key = source.read_public("ssh.pub")
    assert source.public_of("maria", "file:ssh") == key
    signature = source.open(KeyEntry("maria", key, "file:ssh", ADDED)).sign(b"payload")
    assert verify_signature(key, signature, b"payload")


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa", "rsa"])
def test_openssl_reads_our_plain_keys_and_signatures(workspace, scheme):
    """OpenSSL derives the public half that we wrote, and verifies what we signed."""
    made, path = make(workspace, scheme, encrypt=False)
    assert run("openssl", "pkey", "-in", path, "-pubout") == (workspace / "maria.pub").read_text()
    (workspace / "payload").write_bytes(b"payload")
    (workspace / "signature").write_bytes(bytes.fromhex(made.signer.sign(b"payload")))
    options = _options(scheme)
    verify = ("openssl", "pkeyutl", "-verify", "-pubin", "-inkey", workspace / "maria.pub", "-rawin", *options)
    files = ("-in", workspace / "payload", "-sigfile", workspace / "signature")
    assert "Successfully" in run(*verify, *files)
    (workspace / "payload").write_bytes(b"another payload")
    with pytest.raises(subprocess.CalledProcessError):
        run(*verify, *files)


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa", "rsa"])
def test_we_verify_what_openssl_signs(workspace, scheme):
    """A signature of OpenSSL by our key is one for us."""
    made, path = make(workspace, scheme, encrypt=False)
    (workspace / "payload").write_bytes(b"payload")
    out = workspace / "signature"
    command = ("openssl", "pkeyutl", "-sign", "-inkey", path, "-rawin", "-in", workspace / "payload", "-out", out)
    run(*command, *_options(scheme))
    assert verify_signature(made.entry.key, out.read_bytes().hex(), b"payload")


def _options(scheme: str) -> tuple[str, ...]:
    digest = () if scheme == "ed25519" else ("-digest", "sha256")
    return (
        digest if scheme != "rsa" else (*digest, "-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:32")
    )


@pytest.mark.parametrize("scheme", ["ed25519", "ecdsa", "rsa"])
def test_the_library_signs_with_our_plain_keys(workspace, scheme):
    """securesystemslib opens one by its own URI scheme, so a key can move on to another TUF tool."""
    made, path = make(workspace, scheme, encrypt=False)
    key = SSlibKey.from_dict(made.entry.keyid, made.entry.key.to_dict())
    signature = Signer.from_priv_key_uri(f"file2:{path}", key).sign(b"payload")
    assert verify_signature(made.entry.key, signature.signature, b"payload")
    key.verify_signature(LibrarySignature(key.keyid, made.signer.sign(b"payload")), b"payload")
