"""Keys in cloud services: they sign as TUF wants it, another key is noticed, and every refusal says what helps."""

from __future__ import annotations

import logging
import traceback
from io import StringIO

import pytest
from securesystemslib.signer import Signature as LibrarySignature
from securesystemslib.signer import SSlibKey
from tests.support.clouds import SECRET, URIS, cloud, without_extra
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED

from rstuf.errors import SignerMismatch, SignerUnavailable
from rstuf.metadata.key_identity import key_identity
from rstuf.model.keys import KeyEntry, PublicKey
from rstuf.signing.rehearsal import RehearsedKeys
from rstuf.signing.schemes import HOMES, load_scheme
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.source import KeyFileSource
from rstuf.signing.uris import parse_uri

SCHEMES = ("awskms", "gcpkms", "azurekms", "hv")
OF_EC = ("awskms", "gcpkms", "azurekms")
PAYLOAD = b'{"_type":"timestamp"}'


def kind_of(scheme: str) -> str:
    """What kind of key a service keeps for us."""
    return "ed25519" if scheme == "hv" else "ecdsa"


@pytest.fixture
def source(workspace) -> KeyFileSource:
    return KeyFileSource(workspace, NoSecrets())


@pytest.fixture(params=SCHEMES)
def service(request):
    """Each service, with a key of a kind that rstuf lets in."""
    with cloud(request.param, keyring.private(kind_of(request.param))) as service:
        yield service


def entry_of(service, *, key: PublicKey | None = None) -> KeyEntry:
    return KeyEntry("online", key or keyring.public(kind_of(service.scheme)), service.uri, ADDED)


def refused(call, *arguments) -> SignerUnavailable:
    with pytest.raises(SignerUnavailable) as caught:
        call(*arguments)
    return caught.value


def test_a_key_in_a_cloud_signs(service, source):
    """securesystemslib's own signer asks for it, and its own key verifies it."""
    entry = entry_of(service)
    signer = source.open(entry)
    assert signer.keyid == entry.keyid
    key = SSlibKey.from_dict(entry.keyid, entry.key.to_dict())
    key.verify_signature(LibrarySignature(entry.keyid, signer.sign(PAYLOAD)), PAYLOAD)


def test_the_public_half_is_read_from_there(service, source):
    """In the one form that rstuf writes, so that the key id is the same as of a file with this key."""
    assert source.public_of("online", service.uri) == keyring.public(kind_of(service.scheme))


def test_a_look_asks_nobody(service, source):
    """That the key could be asked is all a look finds out; opening it asks for nothing either."""
    service.fault = "offline"
    assert source.look(entry_of(service)) is False
    source.open(entry_of(service))
    assert service.asked == 0


@pytest.mark.parametrize("scheme", OF_EC)
def test_an_old_spelling_of_its_key_signs(scheme, source):
    """A root may have another spelling of the key: the key type that is named like its scheme, other line ends."""
    plain = keyring.public("ecdsa")
    old = PublicKey("ecdsa-sha2-nistp256", plain.scheme, plain.public.replace("\n", "\r\n"))
    with cloud(scheme, keyring.private("ecdsa")) as service:
        entry = entry_of(service, key=old)
        assert source.open(entry).sign(PAYLOAD)
        assert key_identity(entry.key) == key_identity(plain)


def test_another_key_is_noticed_when_it_signs(service, source):
    """Its signature is not handed on, and the message says whose it should have been."""
    service.signs = keyring.private(kind_of(service.scheme), 1)
    entry = entry_of(service)
    with pytest.raises(SignerMismatch, match=f"not by the key known by this name .{entry.keyid[:16]}"):
        source.open(entry).sign(PAYLOAD)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_missing_is_named(scheme, source):
    """Without the extra, a look, a signature and a public half all say how to install it."""
    entry = KeyEntry("online", keyring.public(kind_of(scheme)), URIS[scheme], ADDED)
    with without_extra(scheme):
        for error in (
            refused(source.look, entry),
            refused(source.open, entry),
            refused(source.public_of, "online", entry.signer),
        ):
            extra = "vault" if scheme == "hv" else scheme
            assert error.hint == f"pip install 'rstuf[{extra}]'"
            assert "is not installed" in error.reason


def test_an_extra_that_is_half_there_is_named(source):
    """A part of it that does not load is the same as none."""
    with cloud("gcpkms", keyring.private("ecdsa")) as service, pytest.MonkeyPatch.context() as patch:
        patch.setattr("securesystemslib.signer._gcp_signer.GCP_IMPORT_ERROR", "it lacks something")
        assert refused(source.open, entry_of(service)).hint == "pip install 'rstuf[gcpkms]'"


TOLD = {
    "credentials": ("not told who asks", {"awskms": "aws sso login", "gcpkms": "gcloud auth", "azurekms": "az login"}),
    "old": ("not told who asks, or does not believe it", {"awskms": "get-caller-identity"}),
    "denied": ("does not let whoever asks", {"awskms": "kms:Sign", "gcpkms": "cloudkms.signer", "hv": "vault token"}),
    "missing": ("knows no such key", {"awskms": "region", "hv": "vault read transit/keys"}),
    "away": ("switched off, or being deleted", {}),
    "busy": ("no more requests for now", dict.fromkeys(SCHEMES, "wait a minute")),
    "offline": ("cannot be reached", {"awskms": "look at the network", "hv": "VAULT_ADDR"}),
    "odd": ("it failed", dict.fromkeys(SCHEMES, "the service's own tool")),
    "garbled": ("it failed (ClientError)", {}),
    "region": ("no region is named", {"awskms": "AWS_DEFAULT_REGION"}),
}


def test_each_refusal_says_what_and_what_helps(service, source, capfd):
    """Of a signature and of a public half alike, without a word of the error's text, which may hold what is secret."""
    entry = entry_of(service)
    for fault in service.faults:
        reason, hints = TOLD[fault]
        service.fault = fault
        for error in (
            refused(lambda: source.open(entry).sign(PAYLOAD)),
            refused(source.public_of, "online", service.uri),
        ):
            assert reason in error.reason, fault
            assert hints.get(service.scheme, "") in (error.hint or "")
            assert error.hint
            whole = "".join(traceback.format_exception(error))
            for text in (whole, error.message, error.hint, repr(vars(error))):
                assert SECRET not in text
                assert "\x1b" not in text
            assert error.__context__ is None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("scheme", OF_EC)
def test_a_p384_key_is_not_let_in(scheme, source):
    """Not every client reads it; the hint makes one that all do."""
    with cloud(scheme, keyring.private("p384")) as service:
        error = refused(source.public_of, "online", service.uri)
    assert "not read by every client" in error.reason
    assert any(word in error.hint.lower() for word in ("p256", "p-256"))


@pytest.mark.parametrize("scheme", OF_EC)
def test_a_p384_key_that_a_root_has_signs(scheme, source):
    """An adopted root may need it once more, to let go of it."""
    with cloud(scheme, keyring.private("p384")) as service:
        assert source.open(entry_of(service, key=keyring.public("p384"))).sign(PAYLOAD)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_key_for_something_else_is_not_let_in(scheme, source):
    """A symmetric key has no public half; of Vault, a P-256 key is none that the library reads."""
    with cloud(scheme, keyring.private("ecdsa"), shows=None) as service:
        assert "no key by which it signs for TUF" in refused(source.public_of, "online", service.uri).reason
        if scheme == "hv":
            service.shows = keyring.private("ecdsa")
            assert "type=ed25519" in refused(source.public_of, "online", service.uri).hint


def test_a_kind_of_key_that_it_does_not_sign_with_is_told_at_a_look(service, source):
    """That a key is listed for what the service cannot do shows without asking it."""
    key = keyring.public("ecdsa" if service.scheme == "hv" else "ed25519")
    for call in (source.look, source.open):
        assert f"does not sign by {key.scheme}" in refused(call, entry_of(service, key=key)).reason
    assert service.asked == 0


@pytest.mark.parametrize(
    "uri",
    [
        "awskms:",
        "awskms:alias/",
        "awskms:a key",
        "awskms:arn:aws:s3:::bucket",
        "awskms:x?region=y",
        "awskms://host/x",
        "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k",
        "gcpkms:projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/latest",
        "gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1",
        "azurekms:acme.vault.azure.net/keys/online/0123456789abcdef0123456789abcdef",
        "azurekms://acme.vault.azure.net/keys/online",
        "azurekms://acme.vault.azure.net.evil.example/keys/online/0123456789abcdef0123456789abcdef",
        "azurekms://evil.example/keys/online/0123456789abcdef0123456789abcdef",
        "azurekms://me@acme.vault.azure.net/keys/online/0123456789abcdef0123456789abcdef",
        "hv:online",
        "hv:online/latest",
        "hv:online/0",
        "hv:a/b/1",
        "hv:../sys/1",
        "hv:online/1\n",
    ],
)
def test_a_uri_that_names_no_key_is_refused(source, uri):
    """Before anything is installed or asked, with how it is written."""
    scheme = uri.partition(":")[0]
    entry = KeyEntry("online", keyring.public(kind_of(scheme)), uri, ADDED)
    for error in (refused(source.look, entry), refused(source.public_of, "online", uri)):
        assert "does not name a key" in error.reason or "is not a signer URI" in error.reason


@pytest.mark.parametrize(
    "rest",
    ["alias/online", "mrk-1234abcd12ab34cd56ef1234567890ab", "arn:aws-us-gov:kms:us-gov-west-1:123456789012:alias/a/b"],
)
def test_keys_of_aws_have_several_names(rest):
    """Ids, multi-region ids, aliases, and ARNs of other partitions."""
    from rstuf.signing.cloud_services import AWS

    assert AWS.form.fullmatch(rest)


@pytest.mark.parametrize("scheme", ["azurekms", "hv"])
def test_an_older_version_is_not_taken_for_the_newest(scheme, source):
    """The library tells the newest version's public half, whichever is named: rstuf notices, and says both ways on."""
    with cloud(scheme, keyring.private(kind_of(scheme))) as service:
        older = service.uri[: service.uri.rindex("/") + 1] + ("f" * 32 if scheme == "azurekms" else "1")
        error = refused(source.public_of, "online", older)
    assert service.uri in error.reason
    assert f"FILE --signer {older}" in error.hint


def test_a_vault_whose_keys_the_library_cannot_read_says_so(source):
    """Managed HSMs and other clouds of Azure sign; their public halves come as files."""
    uri = "azurekms://acme.managedhsm.azure.net/keys/online/0123456789abcdef0123456789abcdef"
    with cloud("azurekms", keyring.private("ecdsa")) as service:
        assert f"rstuf key add online FILE --signer {uri}" in refused(source.public_of, "online", uri).hint
        assert service.asked == 0


def test_a_rehearsal_has_nothing_signed(service, source):
    """What it signs is thrown away; a cloud would count it, and log it."""
    assert RehearsedKeys(source).open(entry_of(service)).sign(PAYLOAD) == ""
    assert service.asked == 0


@pytest.mark.parametrize("scheme", [*SCHEMES, "sigstore"])
def test_clouds_are_not_listed(scheme):
    """What is on this machine is listed; a cloud is not."""
    made = load_scheme(parse_uri(f"{scheme}:x", key="online"), HOMES, key="online")
    assert list(made.found()) == []


@pytest.mark.parametrize("listens", ["", "securesystemslib"])
def test_nobody_who_logs_all_the_rest_hears_of_it(service, source, listens):
    """Neither a program's own log nor the handler that securesystemslib sets up, which writes to stderr."""
    service.fault = "denied"
    entry = entry_of(service)
    heard = StringIO()
    handler = logging.StreamHandler(heard)
    logger = logging.getLogger(listens)
    logger.addHandler(handler)
    try:
        refused(lambda: source.open(entry).sign(PAYLOAD))
        logging.getLogger("securesystemslib.elsewhere").error("all the rest")
    finally:
        logger.removeHandler(handler)
    assert heard.getvalue() == "all the rest\n"
