"""Cloud services that keep a key, as the libraries that ask them show them: each really signs, and fails when told to.

with cloud("awskms", private) as service:       # securesystemslib's own signer for it runs on these modules
    service.fault = "denied"                    # what the next calls meet, as that library says it
"""

from __future__ import annotations

import base64
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature

SECRET = "hvs.CAESIJv7tokentokentoken"
NEWEST = "2"
DIGITS = "0123456789abcdef0123456789abcdef"
SPKI = serialization.PublicFormat.SubjectPublicKeyInfo

URIS = {
    "awskms": "awskms:arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "gcpkms": "gcpkms:projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/2",
    "azurekms": f"azurekms://acme.vault.azure.net/keys/online/{DIGITS}",
    "hv": f"hv:online/{NEWEST}",
}


@dataclass
class Cloud:
    """A service with one key.

    Attributes:
        signs: the private key that it signs with.
        shows: the key whose public half it tells; None for a key that is for something else.
        fault: what is wrong now.
        uri: of its key.
        asked: how many requests it got.
    """

    scheme: str
    signs: Any
    shows: Any
    faults: Mapping[str, Callable[[], Exception]]
    fault: str | None = None
    asked: int = 0

    @property
    def uri(self) -> str:
        return URIS[self.scheme]

    def request(self) -> None:
        """Count a request, and fail if something is wrong."""
        self.asked += 1
        if self.fault is not None:
            raise self.faults[self.fault]()


def raiser(name: str, *bases: type[Exception], **attributes: object) -> Callable[[], Exception]:
    """Makes errors of a class with that name, whose text holds what nobody should read."""
    kind = type(name, bases or (Exception,), attributes)
    return lambda: kind(f"https://acme.invalid/?token={SECRET} was refused\nTraceback (most recent call last):")


@contextmanager
def cloud(scheme: str, private: Any, *, shows: Any = ...) -> Iterator[Cloud]:
    """securesystemslib's signer for a scheme, over modules that stand for the service's own."""
    made = {"awskms": _aws, "gcpkms": _gcp, "azurekms": _azure, "hv": _vault}[scheme]
    service = Cloud(scheme, private, private if shows is ... else shows, {})
    modules, service.faults = made(service)
    library = f"securesystemslib.signer._{'vault' if scheme == 'hv' else scheme.removesuffix('kms')}_signer"
    with pytest.MonkeyPatch.context() as patch:
        for name, content in modules.items():
            module = ModuleType(name)
            vars(module).update(content)
            patch.setitem(sys.modules, name, module)
        # Its class keeps its place: what its methods see is looked up in the module that is loaded anew.
        importlib.reload(importlib.import_module(library))
        try:
            yield service
        finally:
            patch.undo()
            importlib.reload(sys.modules[library])


@contextmanager
def without_extra(scheme: str) -> Iterator[None]:
    """As if the extra for a scheme were not installed, even if it is."""
    module = {"awskms": "boto3", "gcpkms": "google.cloud.kms", "azurekms": "azure.keyvault.keys", "hv": "hvac"}[scheme]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, module, None)
        yield


def _der(public: Any) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, SPKI)


def _pem(public: Any) -> bytes:
    return public.public_bytes(serialization.Encoding.PEM, SPKI)


def _over_digest(service: Cloud, digest: bytes) -> bytes:
    algorithm = {32: hashes.SHA256(), 48: hashes.SHA384()}[len(digest)]
    return service.signs.sign(digest, ec.ECDSA(Prehashed(algorithm)))


# --- AWS


def _aws(service: Cloud) -> tuple[dict[str, dict[str, Any]], dict[str, Callable[[], Exception]]]:
    base = type("BotoCoreError", (Exception,), {})

    class ClientError(Exception):
        def __init__(self, code: str) -> None:
            super().__init__(f"An error occurred ({code}) when calling Sign: {SECRET}")
            self.response = {"Error": {"Code": code, "Message": SECRET}}

    class Client:
        def get_public_key(self, *, KeyId: str) -> dict[str, Any]:  # noqa: N803 - its names
            service.request()
            assert f"awskms:{KeyId}" == service.uri
            if service.shows is None:
                raise ClientError("UnsupportedOperationException")
            bits = service.shows.curve.key_size
            return {"PublicKey": _der(service.shows.public_key()), "SigningAlgorithms": [f"ECDSA_SHA_{bits}"]}

        def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, bytes]:  # noqa: N803
            service.request()
            assert (MessageType, SigningAlgorithm) == ("DIGEST", f"ECDSA_SHA_{len(Message) * 8}")
            return {"Signature": _over_digest(service, Message)}

    modules = {
        "boto3": {"client": lambda name: Client()},
        "botocore": {},
        "botocore.exceptions": {"BotoCoreError": base, "ClientError": ClientError},
    }
    offline = type("ConnectionError", (base,), {})
    return modules, {
        "credentials": raiser("NoCredentialsError", base),
        "old": lambda: ClientError("ExpiredTokenException"),
        "denied": lambda: ClientError("AccessDeniedException"),
        "missing": lambda: ClientError("NotFoundException"),
        "away": lambda: ClientError("DisabledException"),
        "busy": lambda: ClientError("ThrottlingException"),
        "offline": raiser("EndpointConnectionError", offline),
        "odd": lambda: ClientError("SomethingNewException"),
        "garbled": lambda: ClientError(f"\x1b[2J{SECRET}\n"),
        "region": raiser("NoRegionError", base),
    }


# --- Google


_ALGORITHMS = """
    EC_SIGN_P256_SHA256 EC_SIGN_P384_SHA384 RSA_SIGN_PSS_2048_SHA256 RSA_SIGN_PSS_3072_SHA256 RSA_SIGN_PSS_4096_SHA256
    RSA_SIGN_PSS_4096_SHA512 RSA_SIGN_PKCS1_2048_SHA256 RSA_SIGN_PKCS1_3072_SHA256 RSA_SIGN_PKCS1_4096_SHA256
    RSA_SIGN_PKCS1_4096_SHA512 PQ_SIGN_ML_DSA_44 PQ_SIGN_ML_DSA_65 PQ_SIGN_ML_DSA_87
"""


def _gcp(service: Cloud) -> tuple[dict[str, dict[str, Any]], dict[str, Callable[[], Exception]]]:
    algorithms: Any = Enum("CryptoKeyVersionAlgorithm", _ALGORITHMS.split())

    class Client:
        def __init__(self) -> None:
            if service.fault == "credentials":
                service.request()

        def get_public_key(self, request: dict[str, Any]) -> Any:
            service.request()
            assert f"gcpkms:{request['name']}" == service.uri
            if service.shows is None:
                raise raiser("InvalidArgument")()
            algorithm = algorithms[f"EC_SIGN_P{service.shows.curve.key_size}_SHA{service.shows.curve.key_size}"]
            data = _pem(service.shows.public_key())
            return SimpleNamespace(algorithm=algorithm, public_key=SimpleNamespace(data=data))

        def asymmetric_sign(self, request: dict[str, Any]) -> Any:
            service.request()
            (digest,) = request["digest"].values()
            return SimpleNamespace(signature=_over_digest(service, digest))

    form = SimpleNamespace(PublicKeyFormat=SimpleNamespace(PEM=1))
    kms = {"KeyManagementServiceClient": Client, "PublicKey": form}
    version = SimpleNamespace(CryptoKeyVersionAlgorithm=algorithms)
    modules = {
        "google": {},
        "google.cloud": {"kms": SimpleNamespace(**kms)},
        "google.cloud.kms": kms,
        "google.cloud.kms_v1": {},
        "google.cloud.kms_v1.types": {"CryptoKeyVersion": version},
    }
    return modules, {
        "credentials": raiser("DefaultCredentialsError"),
        "old": raiser("RefreshError"),
        "denied": raiser("PermissionDenied"),
        "missing": raiser("NotFound"),
        "away": raiser("FailedPrecondition"),
        "busy": raiser("ResourceExhausted"),
        "offline": raiser("ServiceUnavailable"),
        "odd": raiser("DataLoss"),
    }


# --- Azure


def _azure(service: Cloud) -> tuple[dict[str, dict[str, Any]], dict[str, Callable[[], Exception]]]:
    answered = type("HttpResponseError", (Exception,), {"status_code": None})
    curves = SimpleNamespace(p_256="P-256", p_384="P-384", p_521="P-521")

    class KeyClient:
        def __init__(self, *, vault_url: str, credential: object) -> None:
            assert vault_url == "https://acme.vault.azure.net/"

        def get_key(self, name: str) -> Any:
            service.request()
            kid = f"https://acme.vault.azure.net/keys/{name}/{DIGITS}"
            if service.shows is None:
                return SimpleNamespace(key=SimpleNamespace(kty="oct", kid=kid))
            numbers, size = service.shows.public_key().public_numbers(), (service.shows.curve.key_size + 7) // 8
            x, y = (each.to_bytes(size, "big") for each in (numbers.x, numbers.y))
            return SimpleNamespace(
                key=SimpleNamespace(kty="EC-HSM", crv=f"P-{service.shows.curve.key_size}", x=x, y=y, kid=kid)
            )

    class CryptographyClient:
        def __init__(self, key: str, *, credential: object) -> None:
            assert key == service.uri.replace("azurekms:", "https:")

        def sign(self, algorithm: str, digest: bytes) -> Any:
            service.request()
            size = (service.signs.curve.key_size + 7) // 8
            r, s = decode_dss_signature(_over_digest(service, digest))
            return SimpleNamespace(signature=r.to_bytes(size, "big") + s.to_bytes(size, "big"))

    keys = {"KeyClient": KeyClient, "KeyCurveName": curves, "KeyVaultKey": SimpleNamespace}
    algorithms = SimpleNamespace(es256="ES256", es384="ES384", es512="ES512")
    modules = {
        "azure": {},
        "azure.core": {},
        "azure.core.exceptions": {"HttpResponseError": answered},
        "azure.identity": {"DefaultAzureCredential": SimpleNamespace},
        "azure.keyvault": {},
        "azure.keyvault.keys": keys,
        "azure.keyvault.keys.crypto": {"CryptographyClient": CryptographyClient, "SignatureAlgorithm": algorithms},
    }
    return modules, {
        "credentials": raiser("CredentialUnavailableError", type("ClientAuthenticationError", (answered,), {})),
        "old": raiser("ClientAuthenticationError", answered, status_code=401),
        "denied": raiser("HttpResponseError", answered, status_code=403),
        "missing": raiser("ResourceNotFoundError", answered, status_code=404),
        "busy": raiser("HttpResponseError", answered, status_code=429),
        "offline": raiser("ServiceRequestError"),
        "odd": raiser("HttpResponseError", answered, status_code=418),
    }


# --- Vault


def _vault(service: Cloud) -> tuple[dict[str, dict[str, Any]], dict[str, Callable[[], Exception]]]:
    class Transit:
        def read_key(self, name: str) -> Any:
            service.request()
            assert service.uri.startswith(f"hv:{name}/")
            if service.shows is None:
                return {"data": {"keys": {"1": 1700000000, NEWEST: 1700000001}}}
            public = service.shows.public_key()
            raw = _pem(public).decode()
            if hasattr(public, "public_bytes_raw"):
                raw = base64.b64encode(public.public_bytes_raw()).decode()
            return {"data": {"keys": {"1": {"public_key": ""}, NEWEST: {"public_key": raw}}}}

        def sign_data(self, name: str, *, hash_input: str, key_version: int) -> Any:
            service.request()
            made = service.signs.sign(base64.b64decode(hash_input))
            return {"data": {"signature": f"vault:v{key_version}:{base64.b64encode(made).decode()}"}}

    secrets = SimpleNamespace(transit=Transit())
    return {"hvac": {"Client": lambda: SimpleNamespace(secrets=secrets)}}, {
        "credentials": raiser("Unauthorized"),
        "denied": raiser("Forbidden"),
        "missing": raiser("InvalidPath"),
        "busy": raiser("RateLimitExceeded"),
        "offline": raiser("ConnectionError", type("RequestException", (OSError,), {})),
        "odd": raiser("ParamValidationError"),
    }
