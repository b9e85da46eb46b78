"""Tokens in software: SoftHSM2 with a directory of its own, and tokens that come and go as tests need them."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

import pytest

PIN = "1234"
MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/usr/lib64/pkcs11/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
MODULE = next((os.path.realpath(path) for path in MODULES if os.path.exists(path)), "")
needs_tokens = pytest.mark.skipif(
    not MODULE or shutil.which("softhsm2-util") is None, reason="SoftHSM2 is not installed (Debian: softhsm2)"
)


@cache
def home() -> Path:
    """Where this process has its tokens. SoftHSM2 reads its configuration once, when it is loaded."""
    directory = Path(tempfile.mkdtemp(prefix="rstuf-tokens-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    (directory / "tokens").mkdir()
    configuration = directory / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    return directory


def environment() -> dict[str, str]:
    """What lets a process see these tokens."""
    return {"SOFTHSM2_CONF": str(home() / "softhsm2.conf"), "PYKCS11LIB": MODULE}


@dataclass(frozen=True)
class SoftToken:
    """A token of SoftHSM2."""

    label: str
    serial: str
    pin: str = PIN

    def uri(self, keyid: int = 2, **more: str) -> str:
        """The signer of a key on it."""
        return f"hsm:{keyid}?{urlencode({'label': self.label, **more})}"

    def session(self):
        """A session of the tests' own, logged in."""
        return self.token().open(rw=True, user_pin=self.pin)

    def token(self):
        """As the library sees it."""
        import pkcs11

        return pkcs11.lib(MODULE).get_token(token_serial=self.serial.encode())

    def make(self, kind: str = "ecdsa", keyid: int = 2, *, hidden: bool = False, each_time: bool = False) -> None:
        """A key pair on it.

        Args:
            hidden: its public half shows only to whoever has the PIN.
            each_time: the PIN is wanted before each signature.
        """
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        label, number = f"key {keyid}", keyid.to_bytes((keyid.bit_length() + 7) // 8, "big")
        templates = {
            "public_template": {pkcs11.Attribute.PRIVATE: hidden},
            "private_template": {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.ALWAYS_AUTHENTICATE: each_time},
        }
        with self.session() as session:
            if kind == "rsa":
                session.generate_keypair(pkcs11.KeyType.RSA, 2048, id=number, label=label, store=True, **templates)
                return
            curves = {"ecdsa": "secp256r1", "p384": "secp384r1"}
            parameters = b"\x13\x0cedwards25519" if kind == "ed25519" else encode_named_curve_parameters(curves[kind])
            kind_of = pkcs11.KeyType.EC_EDWARDS if kind == "ed25519" else pkcs11.KeyType.EC
            curve = session.create_domain_parameters(kind_of, {pkcs11.Attribute.EC_PARAMS: parameters}, local=True)
            curve.generate_keypair(id=number, label=label, store=True, **templates)

    def objects(self) -> list[tuple[str, bytes, str]]:
        """All that is on it: class, CKA_ID and label."""
        import pkcs11

        attribute = pkcs11.Attribute
        with self.session() as session:
            return sorted(
                (each[attribute.CLASS].name, each[attribute.ID], each[attribute.LABEL])
                for each in session.get_objects()
            )


def make_token(label: str) -> SoftToken:
    """A new token, with its PIN set."""
    before = set(_serials())
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "12345678"],
        env={**os.environ, **environment()},
        check=True,
        capture_output=True,
    )
    _look_again()
    (serial,) = set(_serials()) - before
    return SoftToken(label, serial)


def pull_out(token: SoftToken) -> None:
    """Take a token away: nothing of it is here any more."""
    subprocess.run(
        ["softhsm2-util", "--delete-token", "--serial", token.serial],
        env={**os.environ, **environment()},
        check=True,
        capture_output=True,
    )
    _look_again()


def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No token is here, and whatever is plugged in meanwhile goes again."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    _empty()
    yield
    _empty()


def _empty() -> None:
    shutil.rmtree(home() / "tokens")
    (home() / "tokens").mkdir()
    _look_again()


def _serials() -> list[str]:
    import pkcs11

    found = pkcs11.lib(MODULE).get_tokens(token_flags=pkcs11.TokenFlag.TOKEN_INITIALIZED)
    return [token.serial.decode() for token in found]


def _look_again() -> None:
    """SoftHSM2 lists its tokens when it starts."""
    import pkcs11

    for module in list(pkcs11._loaded.values()):
        if "softhsm" in module.so:
            module.reinitialize()
