"""Sigstore identities: what a stock client makes of a root that lists one, and what rstuf says to whoever wants to."""

from __future__ import annotations

import json

import pytest
from securesystemslib.signer import SigstoreKey, SigstoreSigner
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root, Targets
from tuf.api.serialization import DeserializationError

from rstuf.errors import InvalidKey, SignerUnavailable
from rstuf.model.keys import KeyEntry
from rstuf.signing.public_keys import parse_public
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.source import KeyFileSource

URI, KEY = SigstoreSigner.import_("maria@acme.example", "https://accounts.example", ambient=False)


def test_a_stock_client_cannot_read_a_root_that_lists_one():
    """The whole root fails to parse, though it has a key that is known and a role that needs no other."""
    good = keyring.public("ed25519")
    root = Metadata(Root()).to_dict()["signed"]
    root["keys"] = {good.keyid: good.to_dict()}
    root["roles"]["root"]["keyids"] = [good.keyid]
    Metadata.from_bytes(_file(root))

    root["keys"][KEY.keyid] = KEY.to_dict()
    with pytest.raises(ValueError, match="Unsupported public key sigstore-oidc/Fulcio"):
        Root.from_dict(json.loads(json.dumps(root)))
    with pytest.raises(DeserializationError) as caught:
        Metadata.from_bytes(_file(root))
    # What a client's update loop stops at.
    assert isinstance(caught.value, RepositoryError)


def test_a_stock_client_cannot_read_delegations_that_list_one():
    """The same for a targets role: everything below it is lost."""
    targets = Metadata(Targets()).to_dict()["signed"]
    targets["delegations"] = {"keys": {KEY.keyid: KEY.to_dict()}, "roles": []}
    with pytest.raises(DeserializationError):
        Metadata.from_bytes(_file(targets))


@pytest.mark.parametrize("uri", [URI, "sigstore:", "sigstore:?ambient=true", "SIGSTORE:x"])
def test_its_uris_are_refused_with_the_reason(workspace, uri):
    """Wherever a signer can be named: the reason, and what does the same without clients knowing of it."""
    source = KeyFileSource(workspace, NoSecrets())
    entry = KeyEntry("maria", keyring.public("ecdsa"), uri, ADDED)
    for call in (lambda: source.look(entry), lambda: source.open(entry), lambda: source.public_of("maria", uri)):
        with pytest.raises(SignerUnavailable, match="TUF clients do not read Sigstore keys") as caught:
            call()
        assert "ECDSA P-256" in caught.value.hint


def test_its_key_object_is_no_key():
    """Nor does it come in by a file."""
    assert isinstance(KEY, SigstoreKey)
    with pytest.raises(InvalidKey):
        parse_public(json.dumps(KEY.to_dict()).encode(), where="maria.json")


def _file(signed: dict[str, object]) -> bytes:
    return json.dumps({"signatures": [], "signed": signed}).encode()
