"""Public keys as people hand them over: PEM, a line of OpenSSH, or a TUF key object.

Whatever the form, what comes out is the key in the one form rstuf writes, without comments, labels or foreign fields.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from rstuf.errors import InvalidJson, InvalidKey
from rstuf.metadata.canonical import compact, strict_loads
from rstuf.metadata.key_identity import check_key, public_key, same_form
from rstuf.model.keys import PublicKey

_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
OPENSSH_KINDS: Final = frozenset(
    {b"ssh-ed25519", b"ssh-rsa", b"ecdsa-sha2-nistp256", b"ecdsa-sha2-nistp384", b"ecdsa-sha2-nistp521"}
)
_FORMS: Final = "PEM, OpenSSH and TUF key objects (JSON) are read"
PUBLIC_AGAIN: Final = "ssh-keygen -y -f KEY > KEY.pub writes it anew"


def parse_public(data: bytes, *, where: str) -> PublicKey:
    """The one public key in `data`, of a kind that rstuf lets into a repository.

    Args:
        where: the place it came from, for messages.

    Raises:
        InvalidKey: it is not exactly one such key. A private key is refused loudly, a certificate too.
    """
    text = data.removeprefix(b"\xef\xbb\xbf").strip()
    labels = _LABEL.findall(text)
    if b"PRIVATE KEY" in text or text.startswith(b"PuTTY-User-Key-File"):
        raise _private(where)
    if text.startswith(b"{"):
        key = _key_object(text, where)
    elif labels:
        key = _pem(text, labels, where)
    else:
        key = openssh_public(_only_line(text, where), where=where)
    check_key(key, where=where)
    return key


def openssh_public(line: bytes, *, where: str) -> PublicKey:
    """The key in a line of OpenSSH: type, base64, and a comment that is left aside.

    Raises:
        InvalidKey: it is of a kind that TUF has no scheme for, or damaged.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    kind = line.split(maxsplit=1)[0] if line else b""
    if kind.startswith(b"sk-"):
        raise InvalidKey(
            where,
            "it belongs to a FIDO security key, which signs a message of its own around ours",
            hint="use an Ed25519 or ECDSA P-256 key",
        )
    if b"-cert-" in kind:
        raise _certificate(where)
    if kind in {b"ssh-dss", b"ssh-ed448"}:
        raise InvalidKey(where, f"{kind.decode()} keys are not used", hint="use an Ed25519 or ECDSA P-256 key")
    if kind not in OPENSSH_KINDS:
        raise InvalidKey(where, "it is not a public key", hint=_FORMS)
    try:
        loaded: Any = load_ssh_public_key(line)
    except (ValueError, UnsupportedAlgorithm, NotImplementedError):
        raise InvalidKey(where, "it is a damaged OpenSSH public key", hint=PUBLIC_AGAIN) from None
    return public_key(loaded, where=where)


def public_pem(key: PublicKey) -> bytes:
    """`key`, in the form rstuf writes, as a PEM SubjectPublicKeyInfo: what the file beside a private key holds."""
    if key.keytype != "ed25519":
        return key.public.encode()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    loaded = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public))
    return loaded.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class PublicForm(StrEnum):
    """How a public key is written for others."""

    PEM = "pem"
    OPENSSH = "openssh"
    TUF = "tuf"


def render_public(key: PublicKey, form: PublicForm, *, comment: str = "") -> str:
    """A public key as text, with its line's end.

    Args:
        comment: stands behind an OpenSSH key.
    """
    if form is PublicForm.TUF:
        return compact(key.to_dict()).decode() + "\n"
    if form is PublicForm.PEM:
        return public_pem(key).decode()
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    loaded = load_pem_public_key(public_pem(key))
    line = loaded.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return f"{line} {comment}".rstrip() + "\n"


def _pem(text: bytes, labels: list[bytes], where: str) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if any(b"CERTIFICATE" in label for label in labels):
        raise _certificate(where)
    if len(labels) > 1:
        raise InvalidKey(where, "it holds more than one PEM block", hint="name a file with one key")
    if labels[0] not in {b"PUBLIC KEY", b"RSA PUBLIC KEY"}:
        raise InvalidKey(where, f"it holds a {labels[0].decode()[:60]}, not a public key", hint=_FORMS)
    try:
        loaded: Any = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidKey(where, "its PEM does not hold a usable public key", hint=_FORMS) from None
    return public_key(loaded, where=where)


def _key_object(text: bytes, where: str) -> PublicKey:
    try:
        value = strict_loads(text, what=where)
    except InvalidJson as error:
        raise InvalidKey(where, f"it is not acceptable JSON: {error.reason}", hint=_FORMS) from None
    keyval = value.get("keyval")
    if not isinstance(keyval, Mapping):
        raise InvalidKey(where, "it is JSON, but not a TUF key object", hint="it has keytype, scheme and keyval")
    if keyval.get("private"):
        raise _private(where)
    parts = (value.get("keytype"), value.get("scheme"), keyval.get("public"))
    if not all(isinstance(part, str) for part in parts):
        raise InvalidKey(where, "its keytype, scheme and public value are not all text")
    key = PublicKey.from_dict(value)
    check_key(key, where=where)  # as it came: a scheme must fit before the spelling is changed
    return same_form(key, where=where)


def _only_line(text: bytes, where: str) -> bytes:
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(b"#")]
    if not lines:
        raise InvalidKey(where, "it is empty", hint=_FORMS)
    if len(lines) > 1:
        if all(line.split(maxsplit=1)[0] in OPENSSH_KINDS for line in lines):
            raise InvalidKey(where, "it holds more than one key", hint="name a file with one key")
        raise InvalidKey(where, "it is not a public key", hint=_FORMS)
    return lines[0]


def _private(where: str) -> InvalidKey:
    return InvalidKey(
        where,
        "this is a PRIVATE key, where a public one is asked for; hand it to nobody",
        hint="take its public half: openssl pkey -in FILE -pubout, or ssh-keygen -y -f FILE",
    )


def _certificate(where: str) -> InvalidKey:
    return InvalidKey(
        where,
        "it is a certificate; TUF trusts bare keys, and what the certificate says of one would be ignored",
        hint="take the key out of it: openssl x509 -in FILE -pubkey -noout",
    )
