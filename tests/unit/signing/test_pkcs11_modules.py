"""Modules that reach tokens, and keys that are made on these: nothing that is there is overwritten."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from tests.support.tokens import MODULE, PIN, SoftToken, make_token, needs_tokens, tokens
from tests.unit.signing.keys_made import ADDED

from rstuf.errors import InvalidKey, PinNeeded, SignerUnavailable, WrongPin
from rstuf.signing import token_modules
from rstuf.signing.pkcs11_tokens import TokenKeys
from rstuf.signing.secrets import FixedSecrets, NoSecrets

pytestmark = needs_tokens
pkcs11 = pytest.importorskip("pkcs11", reason="the extra hsm is not installed")
plugged = pytest.fixture(autouse=True)(tokens)

from tests.unit.signing.on_tokens import Asked, library_accepts, put_certificate, replace_public_half, source  # noqa: E402

# --- modules


def test_without_the_extra(monkeypatch):
    """Whoever names a token learns what to install; whoever lists keys finds none there."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pkcs11", None)
        with pytest.raises(SignerUnavailable, match="python-pkcs11") as caught:
            source().public_of("maria", "hsm:2")
        assert caught.value.hint == "pip install 'rstuf[hsm]'"
        assert list(TokenKeys().found()) == []


def _wide_file(tmp_path: Path) -> str:
    place = tmp_path / "wide.so"
    shutil.copyfile(MODULE, place)
    place.chmod(0o666)
    return str(place)


def _wide_directory(tmp_path: Path) -> str:
    (tmp_path / "wide").mkdir()
    shutil.copyfile(MODULE, tmp_path / "wide" / "module.so")
    (tmp_path / "wide").chmod(0o777)
    return str(tmp_path / "wide" / "module.so")


def _text(tmp_path: Path) -> str:
    (tmp_path / "bogus.so").write_text("not a library")
    return str(tmp_path / "bogus.so")


def _other_library(tmp_path: Path) -> str:
    import _ctypes

    return _ctypes.__file__


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (lambda _: "softhsm.so", "not a whole path"),
        (lambda path: f"{path}/missing.so", "there is no such file"),
        (str, "not a regular file"),
        (_text, "not a library for this machine"),
        (_other_library, "a library of another kind"),
        (_wide_file, "everybody can write to it"),
        (_wide_directory, "everybody can write to it"),
    ],
    ids=["relative", "missing", "directory", "text", "another library", "wide file", "wide directory"],
)
def test_modules_that_cannot_be_used(tmp_path, monkeypatch, module, reason):
    """Named in the URI or by the environment, it is the only one that is tried, and the error says why not."""
    path = module(tmp_path)
    address = SoftToken("Maria", "1").uri(module=path)
    with pytest.raises(SignerUnavailable, match=reason) as caught:
        source().public_of("maria", address)
    assert path in caught.value.message
    monkeypatch.setenv("PYKCS11LIB", path)
    with pytest.raises(SignerUnavailable, match=reason):
        source().public_of("maria", "hsm:2")
    with pytest.raises(SignerUnavailable, match=reason):
        list(TokenKeys().found())


def test_modules_are_looked_for_where_systems_put_them(tmp_path, monkeypatch, maria):
    """Without a name all that are there are tried, and those that do not load passed over; if none is, it is said."""
    monkeypatch.delenv("PYKCS11LIB")
    link = tmp_path / "link.so"
    link.symlink_to(MODULE)
    monkeypatch.setattr(token_modules, "WELL_KNOWN", (_text(tmp_path), str(link), MODULE, str(tmp_path / "no.so")))
    assert source().public_of("maria", maria.uri())
    monkeypatch.setattr(token_modules, "WELL_KNOWN", (str(tmp_path / "bogus.so"), str(tmp_path / "no.so")))
    with pytest.raises(SignerUnavailable, match=r"bogus\.so: it is not a library"):
        source().public_of("maria", maria.uri())
    monkeypatch.setattr(token_modules, "WELL_KNOWN", ())
    with pytest.raises(SignerUnavailable, match="none is in its usual place"):
        source().public_of("maria", maria.uri())
    assert list(TokenKeys().found()) == []


def test_a_module_by_two_names_is_loaded_once(maria, tmp_path):
    """A link to a module that is open already is that module."""
    link = tmp_path / "link.so"
    link.symlink_to(MODULE)
    assert source().public_of("x", maria.uri(module=str(link))) == source().public_of("x", maria.uri(module=MODULE))


# --- making keys


def test_a_key_is_made_on_a_token():
    """It never leaves the token, has the name there, signs here, and its URI names the token."""
    token = make_token("Maria")
    entry = source(Asked()).make_in_place("maria", "ecdsa", "hsm:9", added=ADDED)
    assert entry.signer == token.uri(9)
    assert token.objects() == [("PRIVATE_KEY", b"\x09", "maria"), ("PUBLIC_KEY", b"\x09", "maria")]
    attribute = pkcs11.Attribute
    with token.session() as session:
        private = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, id=b"\x09")
        facts = (attribute.SENSITIVE, attribute.EXTRACTABLE, attribute.PRIVATE, attribute.SIGN, attribute.DERIVE)
        assert [private[fact] for fact in facts] == [True, False, True, True, False]
    library_accepts(entry.key, source(Asked()).open(entry).sign(b"payload"), b"payload")


@pytest.mark.parametrize("what", ["pair", "hidden pair", "private half", "certificate"])
def test_a_place_that_is_taken_is_left_alone(what, watched):
    """Whatever has the number, seen or found only with the PIN, nothing is made, and nothing changes."""
    token = make_token("Maria")
    if what == "certificate":
        put_certificate(token, 2)
    else:
        token.make(hidden=what == "hidden pair")
    if what == "private half":
        replace_public_half(token, None)
    before = token.objects()
    secrets = Asked()
    with pytest.raises(InvalidKey, match="taken") as caught:
        source(secrets).make_in_place("ben", "ecdsa", token.uri(), added=ADDED)
    assert "rstuf key add ben --signer URI" in (caught.value.hint or "")
    assert token.objects() == before
    assert bool(secrets.asked) == (what in {"hidden pair", "private half"})


def test_nothing_is_made_without_its_pin_or_of_another_kind(watched):
    """No PIN, a wrong one, another kind, several tokens: the token stays empty."""
    token = make_token("Maria")
    for secrets, kind, error in (
        (NoSecrets(), "ecdsa", PinNeeded),
        (FixedSecrets(PIN.encode()), "ecdsa", PinNeeded),
        (Asked(b"4321"), "ecdsa", WrongPin),
        (Asked(), "ed25519", InvalidKey),
        (Asked(), "rsa", InvalidKey),
    ):
        with pytest.raises(error):
            source(secrets).make_in_place("maria", kind, token.uri(), added=ADDED)
    make_token("Ben")
    with pytest.raises(SignerUnavailable, match="several tokens"):
        source(Asked()).make_in_place("maria", "ecdsa", "hsm:2", added=ADDED)
    assert token.objects() == []


def test_a_plan_makes_no_keys_on_tokens(watched):
    """What a ceremony makes must come to nothing with it; it says what to do instead."""
    token = make_token("Maria")
    with pytest.raises(InvalidKey, match="in files only") as caught:
        source(Asked()).generate("maria", "ecdsa", token.uri(), encrypt=True, reuse=False, added=ADDED)
    assert "rstuf key generate NAME --signer URI" in (caught.value.hint or "")
    assert (token.objects(), watched.logins) == ([], [])


def test_keys_in_files_are_made_elsewhere():
    """A file is no place of this kind."""
    with pytest.raises(InvalidKey, match="makes no keys at file: URIs"):
        source().make_in_place("maria", "ecdsa", "file:maria.key", added=ADDED)
