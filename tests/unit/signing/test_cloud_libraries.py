"""The libraries of the services, where they are installed: over HTTP to a service here, and what they raise."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from tests.unit.signing import keyring
from tests.unit.signing.keys_made import ADDED

from rstuf.errors import SignerMismatch, SignerUnavailable
from rstuf.model.keys import KeyEntry
from rstuf.signing.cloud_faults import _TROUBLES
from rstuf.signing.secrets import NoSecrets
from rstuf.signing.source import KeyFileSource

PAYLOAD = b'{"_type":"timestamp"}'
TOKEN = "hvs.CAESIJv7tokentoken"
Answer = Callable[[str, str, dict[str, object]], tuple[int, dict[str, object]]]

aws = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def source(workspace) -> KeyFileSource:
    return KeyFileSource(workspace, NoSecrets())


@pytest.fixture
def serve():
    """Puts a service behind a port: what answers gets the operation or path, who asks, and the request."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"{}")
                operation = self.headers.get("X-Amz-Target", self.path)
                who = self.headers.get("X-Vault-Token") or self.headers.get("Authorization") or ""
                status, found = answer(operation, who, body)
                data = json.dumps(found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_PUT = do_POST  # noqa: N815 - their names

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(call, *arguments) -> SignerUnavailable:
    with pytest.raises(SignerUnavailable) as caught:
        call(*arguments)
    assert TOKEN not in f"{caught.value.message} {caught.value.hint}"
    return caught.value


# --- AWS


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """Nobody's credentials, and no question to a metadata service."""
    pytest.importorskip("boto3")
    import boto3

    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    # boto3 keeps a session, and so whoever was logged in before.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


@pytest.fixture
def logged_in(alone, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", TOKEN)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")


def kms(private) -> Answer:
    """A KMS with one key."""

    def answer(operation: str, who: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
        if body["KeyId"] != "alias/online":
            return 400, {"__type": "NotFoundException", "message": f"Alias {TOKEN} is not found."}
        if operation == "TrentService.GetPublicKey":
            spki = serialization.PublicFormat.SubjectPublicKeyInfo
            der = private.public_key().public_bytes(serialization.Encoding.DER, spki)
            return 200, {"PublicKey": base64.b64encode(der).decode(), "SigningAlgorithms": ["ECDSA_SHA_256"]}
        assert (operation, body["MessageType"]) == ("TrentService.Sign", "DIGEST")
        assert who.startswith("AWS4-HMAC-SHA256")
        digest = base64.b64decode(str(body["Message"]))
        made = private.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        return 200, {"Signature": base64.b64encode(made).decode()}

    return answer


@aws
def test_boto3_signs(logged_in, source, serve, monkeypatch):
    """From the public half to a verified signature, over HTTP as with AWS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", serve(kms(keyring.private("ecdsa"))))
    key = source.public_of("online", "awskms:alias/online")
    assert key == keyring.public("ecdsa")
    assert source.open(KeyEntry("online", key, "awskms:alias/online", ADDED)).sign(PAYLOAD)


@aws
def test_an_alias_that_leads_to_another_key_is_noticed(logged_in, source, serve, monkeypatch):
    """What boto3 brings from there is verified before it is handed on."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", serve(kms(keyring.private("ecdsa", 1))))
    entry = KeyEntry("online", keyring.public("ecdsa"), "awskms:alias/online", ADDED)
    with pytest.raises(SignerMismatch):
        source.open(entry).sign(PAYLOAD)


@aws
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDeniedException", "does not let whoever asks"),
        ("UnrecognizedClientException", "does not believe it"),
        ("ThrottlingException", "no more requests for now"),
        ("DisabledException", "switched off"),
        ("UnsupportedOperationException", "no key by which it signs"),
        ("NewsException", "it failed (NewsException)"),
    ],
)
def test_what_aws_answers_is_told(logged_in, source, serve, monkeypatch, capfd, code, reason):
    """By its code, as boto3 reads it; its words are left out, and nothing of it is logged to stderr."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", serve(lambda *_: (400, {"__type": code, "message": TOKEN})))
    entry = KeyEntry("online", keyring.public("ecdsa"), "awskms:alias/online", ADDED)
    signer = source.open(entry)
    assert reason in refused(source.public_of, "online", entry.signer).reason
    assert reason in refused(signer.sign, PAYLOAD).reason
    assert capfd.readouterr().err == ""


@aws
def test_an_unknown_key_of_aws_is_told(logged_in, source, serve, monkeypatch):
    """With where to look for it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", serve(kms(keyring.private("ecdsa"))))
    error = refused(source.public_of, "online", "awskms:alias/offline")
    assert "knows no such key" in error.reason
    assert "region" in error.hint


@aws
def test_aws_without_a_network_is_told(logged_in, source, monkeypatch):
    """Where nobody answers."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", "http://127.0.0.1:9")
    assert "cannot be reached" in refused(source.public_of, "online", "awskms:alias/online").reason


@aws
def test_aws_without_credentials_is_told(alone, source, monkeypatch):
    """First that a region is missing, then who asks."""
    assert "no region is named" in refused(source.public_of, "online", "awskms:alias/online").reason
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert "not told who asks" in refused(source.public_of, "online", "awskms:alias/online").reason


# --- Vault


def transit(private) -> Answer:
    """Vault's transit engine with one key in two versions."""

    def answer(path: str, who: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
        if who != TOKEN:
            return 403, {"errors": [f"permission denied: {who}"]}
        if path == "/v1/transit/keys/online":
            raw = base64.b64encode(private.public_key().public_bytes_raw()).decode()
            return 200, {"data": {"keys": {"9": {"public_key": ""}, "10": {"public_key": raw}}}}
        if path.startswith("/v1/transit/sign/online"):
            assert body["key_version"] == 10
            made = private.sign(base64.b64decode(str(body["input"])))
            return 200, {"data": {"signature": f"vault:v10:{base64.b64encode(made).decode()}"}}
        return 404, {"errors": []}

    return answer


@pytest.fixture
def vault(monkeypatch):
    pytest.importorskip("hvac")
    monkeypatch.setenv("VAULT_TOKEN", TOKEN)
    return lambda url: monkeypatch.setenv("VAULT_ADDR", url)


def test_hvac_signs(vault, source, serve):
    """From the public half to a verified signature, over HTTP as with Vault; the newest version by number."""
    vault(serve(transit(keyring.private("ed25519"))))
    key = source.public_of("online", "hv:online/10")
    assert key == keyring.public("ed25519")
    assert source.open(KeyEntry("online", key, "hv:online/10", ADDED)).sign(PAYLOAD)


def test_what_vault_answers_is_told(vault, source, serve, monkeypatch):
    """An unknown key, a token that is not believed, a sealed Vault, and none."""
    vault(serve(transit(keyring.private("ed25519"))))
    assert "knows no such key" in refused(source.public_of, "online", "hv:offline/1").reason
    monkeypatch.setenv("VAULT_TOKEN", f"{TOKEN}-old")
    assert "does not let whoever asks" in refused(source.public_of, "online", "hv:online/10").reason
    vault(serve(lambda *_: (503, {"errors": ["Vault is sealed"]})))
    assert "cannot be reached" in refused(source.public_of, "online", "hv:online/10").reason
    vault("http://127.0.0.1:9")
    assert "cannot be reached" in refused(source.public_of, "online", "hv:online/10").reason


# --- what they raise

CLASSES = {
    "botocore.exceptions": """
        NoRegionError InvalidRegionError NoCredentialsError PartialCredentialsError CredentialRetrievalError
        TokenRetrievalError MetadataRetrievalError SSOError NoAuthTokenError LoginError ProfileNotFound ConfigNotFound
        UnknownCredentialError HTTPClientError ConnectionError
        """,
    "google.api_core.exceptions": """
        Unauthenticated Unauthorized PermissionDenied Forbidden NotFound FailedPrecondition InvalidArgument
        ResourceExhausted TooManyRequests ServerError RetryError
        """,
    "google.auth.exceptions": """
        DefaultCredentialsError RefreshError MalformedError UserAccessTokenError OAuthError TransportError TimeoutError
        """,
    "azure.core.exceptions": """
        ClientAuthenticationError ResourceNotFoundError ServiceRequestError ServiceResponseError
        """,
    "hvac.exceptions": """
        Unauthorized Forbidden InvalidPath InvalidRequest UnsupportedOperation RateLimitExceeded InternalServerError
        BadGateway VaultDown VaultNotInitialized
        """,
    "requests.exceptions": "RequestException",
}


@pytest.mark.parametrize("module", CLASSES)
def test_their_errors_are_called_so(module):
    """Each name that a message is chosen by is a class of the library that raises it."""
    found = pytest.importorskip(module, exc_type=ImportError)
    assert found is import_module(module)
    for name in CLASSES[module].split():
        assert issubclass(getattr(found, name), Exception)
        assert name in _TROUBLES
