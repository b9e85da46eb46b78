"""No passphrase and no private key in anything that could be shown: errors, their causes, tracebacks, reprs."""

from __future__ import annotations

import base64
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_ssh_private_key
from tests.unit.signing import keyring

from rstuf.errors import RstufError
from rstuf.metadata.key_identity import public_key
from rstuf.model.keys import KeyEntry
from rstuf.signing.containers import write_container
from rstuf.signing.secrets import FixedSecrets, load_secrets
from rstuf.signing.source import KeyFileSource

ADDED = datetime(2026, 11, 20, tzinfo=UTC)
RIGHT, WRONG = b"planted-right-2b91", b"planted-wrong-88f0"
KINDS = ("ed25519", "ecdsa", "rsa")


@pytest.fixture(params=KINDS)
def secret(request):
    return keyring.private(request.param, 7)


def private_value(secret) -> bytes:
    """Bytes of PKCS#8 that only the private half has."""
    der = secret.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    # Of an RSA key they lie behind the modulus; of the others, where the value begins.
    return der[-200:-176] if len(der) > 500 else der[36:60] if len(der) > 100 else der[-24:]


def needles(secret) -> list[str]:
    """What must not appear: passphrases, and the private value in the forms that it could be shown in."""
    value = private_value(secret)
    pem = secret.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode().splitlines()
    lines = [pem[1][24:]] if len(pem) < 10 else pem[10:-2]
    found = [RIGHT.decode(), WRONG.decode(), RIGHT.hex(), WRONG.hex(), base64.b64encode(RIGHT).decode()]
    return [*found, *lines, value.hex(), repr(value)[2:-1], str(int.from_bytes(value, "big"))]


def shown(error: BaseException) -> Iterator[str]:
    """Everything of an error that a log, a crash report or a debugger's summary would hold."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield f"{each} {each!r} {each.args!r} {vars(each)!r} {getattr(each, 'hint', None)!r}"
        yield "".join(traceback.format_exception(each))
        waiting += [each.__cause__, each.__context__]


def _failures(workspace, secret) -> Iterator[tuple[str, Callable[[], object]]]:
    """Every way to fail while a secret is at hand."""
    encrypted = write_container(secret, RIGHT, where="test")
    plain = write_container(secret, None, where="test")
    entry = KeyEntry("maria", public_key(secret.public_key(), where="test"), "file:maria.key", ADDED)
    other = KeyEntry("maria", keyring.public("ed25519", 99), "file:maria.key", ADDED)
    broken = plain.replace(plain.splitlines()[1], plain.splitlines()[1][:-8] + b"!!!!!!!!")
    right, wrong = FixedSecrets(RIGHT), FixedSecrets(WRONG)

    def opening(data: bytes, secrets, entry=entry, mode=0o600):
        def act():
            path = workspace / "maria.key"
            path.write_bytes(data)
            path.chmod(mode)
            return KeyFileSource(workspace, secrets).open(entry)

        return act

    def reading(data: bytes):
        def act():
            (workspace / "handed.pub").write_bytes(data)
            return KeyFileSource(workspace, wrong).read_public("handed.pub")

        return act

    def making(secrets, **options):
        def act():
            choice = {"encrypt": True, "reuse": True, "added": ADDED, **options}
            return KeyFileSource(workspace, secrets).generate("maria", "ed25519", "file:maria.key", **choice)

        return act

    yield "wrong passphrase", opening(encrypted, wrong)
    yield "another key", opening(encrypted, right, other)
    yield "another key, plain", opening(plain, right, other)
    yield "damaged plain", opening(broken, right)
    yield "cut plain", opening(plain[: len(plain) // 2], right)
    yield "cut encrypted", opening(encrypted[: len(encrypted) // 2], right)
    yield "damaged encrypted", opening(encrypted.replace(b"A", b"B"), right)
    yield "readable by all", opening(plain, right, mode=0o644)
    yield "two keys", opening(plain + plain, right)
    yield "hostile label", opening(plain.replace(b"PRIVATE KEY", b"SECRET KEY"), right)
    yield "private as public", reading(plain)
    yield "private without its label", reading(plain.replace(b"PRIVATE KEY", b"PUBLIC KEY"))
    yield "bare base64", reading(b"ssh-ed25519 " + b"".join(plain.splitlines()[1:-1]))
    yield "reuse, wrong passphrase", making(wrong)
    yield "place taken", making(right, reuse=False)
    yield "passphrase too long", lambda: write_container(secret, RIGHT * 100, where="test")
    yield "signing no bytes", lambda: opening(encrypted, right)().sign(None)


def test_errors_show_no_secret(workspace, secret):
    """Each failure is one of our errors, and nothing of it or of what it came from holds a planted secret."""
    count = 0
    for what, act in _failures(workspace, secret):
        with pytest.raises(RstufError) as caught:
            act()
        for text in shown(caught.value):
            for needle in needles(secret):
                assert needle not in text, what
        count += 1
    assert count == 17


def test_objects_show_no_secret(workspace, secret):
    """Nor do the objects that hold one: secrets, signers, new keys, the source."""
    (workspace / "maria.key").write_bytes(write_container(secret, None, where="test"))
    (workspace / "maria.key").chmod(0o600)
    (workspace / "pass").write_bytes(RIGHT)
    (workspace / "pass").chmod(0o600)
    secrets = load_secrets([str(workspace / "pass")], [], FixedSecrets(WRONG))
    source = KeyFileSource(workspace, secrets)
    entry = KeyEntry("maria", public_key(secret.public_key(), where="test"), "file:maria.key", ADDED)
    source.public_of("maria", "file:maria.key")
    made = source.generate("vault", "ed25519", "file:vault.key", encrypt=True, reuse=False, added=ADDED)
    things = [secrets, source, vars(source), made, made.signer, made.entry, source.open(entry)]
    for text in (f"{things!r} {thing!s}" for thing in things):
        for needle in needles(secret):
            assert needle not in text


def test_the_hunt_finds_what_is_planted(secret):
    """The needles are really those of the key: where it stands in the open, they are found; in its public half, not."""
    pem = write_container(secret, None, where="test")
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    in_the_open = f"{pem.decode()} {der.hex()} {RIGHT!r} {WRONG!r}"
    found = {needle for needle in needles(secret) if needle in in_the_open}
    assert {RIGHT.decode(), WRONG.decode(), private_value(secret).hex()} < found
    assert len(found) >= 4
    public = secret.public_key().public_bytes(keyring.DER, keyring.SPKI)
    in_public = f"{public.hex()} {public!r} {keyring.pem(public)}"
    assert not [needle for needle in needles(secret) if needle in in_public]


def test_saved_files_hold_no_passphrase_and_no_open_key(workspace):
    """What is encrypted on the disk holds neither the passphrase nor the private value."""
    source = KeyFileSource(workspace, FixedSecrets(RIGHT))
    made = source.generate("maria", "ed25519", "file:maria.key", encrypt=True, reuse=False, added=ADDED)
    made.save()
    raw = load_ssh_private_key((workspace / "maria.key").read_bytes(), RIGHT).private_bytes_raw()
    for path in workspace.iterdir():
        data = path.read_bytes()
        blob = base64.b64decode(b"".join(data.splitlines()[1:-1]))
        for needle in (RIGHT, raw, raw.hex().encode(), base64.b64encode(raw)[:40]):
            assert needle not in data
            assert needle not in blob
