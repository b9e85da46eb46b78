"""Signer URIs: what is understood, what is refused, and how other schemes join."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.signing import keyring

from rstuf.errors import InvalidKey, SignerUnavailable
from rstuf.model.keys import KeyEntry
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.source import KeyFileSource
from rstuf.signing.uris import SignerUri, file_path, parse_uri

ADDED = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("file:keys/online.key", "/ws/keys/online.key"),
        ("FILE:keys/online.key", "/ws/keys/online.key"),
        ("file:/abs/a.key", "/abs/a.key"),
        ("file:///abs/a.key", "/abs/a.key"),
        ("file:../beside.key", "/ws/../beside.key"),
        ("file:100%25.key", "/ws/100%25.key"),
        ("file:a b?c#d:e.key", "/ws/a b?c#d:e.key"),
        ("file:schlüssel.key", "/ws/schlüssel.key"),
    ],
)
def test_file_uris_name_paths_as_they_are_written(text, path):
    """Relative ones lie in the workspace; nothing is decoded, expanded or cut off."""
    assert file_path(parse_uri(text, key="maria"), base=Path("/ws"), key="maria") == Path(path)


@pytest.mark.parametrize(
    "text", ["", "file", "file:", "keys/a.key", ":x", "1file:x", "file:a\0b", "file:a\nb", "file:\ud800"]
)
def test_what_is_no_uri_is_refused(text):
    """Text without a scheme or a place, or with characters nobody sees, is no signer URI."""
    with pytest.raises(SignerUnavailable, match="cannot sign with maria"):
        parse_uri(text, key="maria")


@pytest.mark.parametrize("text", ["file://host/a.key", "file://a.key", "file:~/a.key", "file:~m/a.key", "file:keys/"])
def test_places_that_depend_on_the_reader_are_refused(text):
    """A host or a home directory would be another file for another reader; a directory is no key."""
    with pytest.raises(SignerUnavailable):
        file_path(parse_uri(text, key="maria"), base=Path("/ws"), key="maria")


def test_a_uri_is_written_as_it_was_read():
    """Its text form can be kept and read again."""
    assert str(parse_uri("ssh-agent:SHA256:abc", key="maria")) == "ssh-agent:SHA256:abc"
    assert parse_uri("ssh-agent:SHA256:abc", key="maria") == SignerUri("ssh-agent", "SHA256:abc")


def test_an_unknown_scheme_names_the_known_ones(workspace):
    """Whoever writes a scheme that is not there learns which are."""
    source = KeyFileSource(workspace, NoSecrets(), schemes={"ssh-agent": _Untouched()})
    entry = KeyEntry("maria", keyring.public("ed25519"), "awskms:arn:aws:kms", ADDED)
    with pytest.raises(SignerUnavailable) as caught:
        source.open(entry)
    assert "awskms" in caught.value.message
    assert caught.value.hint is not None
    assert "file, ssh-agent" in caught.value.hint


def test_another_scheme_joins_by_its_class(workspace):
    """A scheme is given the URI, the entry and the secrets, and what it returns is the signer."""
    seen = []
    secrets = NoSecrets()
    marker = object()

    class Tokens(_Untouched):
        def open(self, uri, entry, secrets):
            seen.append((str(uri), entry.name, secrets))
            return marker

    source = KeyFileSource(workspace, secrets, schemes={"hsm": Tokens()})
    entry = KeyEntry("maria", keyring.public("ed25519"), "hsm:2?label=x", ADDED)
    assert source.open(entry) is marker
    assert seen == [("hsm:2?label=x", "maria", secrets)]


def test_keys_are_made_in_files_only(workspace):
    """A place that is no file cannot keep a new key."""
    source = KeyFileSource(workspace, NoSecrets(), schemes={"hsm": _Untouched()})
    for uri in ("hsm:2", "nowhere:x", "file:", "file://host/x"):
        with pytest.raises(InvalidKey):
            source.generate("maria", "ed25519", uri, encrypt=False, reuse=False, added=ADDED)


def test_only_what_is_known_tells_a_public_half(workspace):
    """A URI of an unknown scheme, or one that names nothing, is refused."""
    source = KeyFileSource(workspace, NoSecrets(), schemes={"hsm": _Untouched()})
    for uri in ("nowhere:x", "file:", "file://host/x"):
        with pytest.raises(SignerUnavailable):
            source.public_of("maria", uri)


def test_a_key_whose_private_half_is_elsewhere_does_not_sign_here(workspace):
    """An entry without a URI is unavailable, and that is all."""
    entry = KeyEntry("maria", keyring.public("ed25519"), None, ADDED)
    with pytest.raises(SignerUnavailable, match="private half is not here"):
        KeyFileSource(workspace, NoSecrets()).open(entry)


class _Untouched:
    """A scheme that must not be used."""

    def __getattr__(self, name):
        raise AssertionError("not to be called")
