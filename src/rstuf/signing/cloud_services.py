"""The cloud services that keep keys: how their keys are written, what asks them, and what helps where they refuse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from rstuf.signing.cloud_faults import Trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A kind of service that signs with keys which never leave it.

    Attributes:
        scheme: of its URIs.
        called: what people call it.
        extra: the extra of rstuf that brings what asks it.
        modules: what that extra brings.
        signer: the class of `securesystemslib.signer` that asks it.
        form: what its URIs are after the colon.
        written: the same, for people.
        told_by: the groups of `form` that the class needs to be told a public half; where one is empty, it cannot be.
        schemes: by which it signs.
        hints: what helps against each trouble that is its own.
    """

    scheme: str
    called: str
    extra: str
    modules: tuple[str, ...]
    signer: str
    form: re.Pattern[str]
    written: str
    told_by: tuple[str, ...]
    schemes: frozenset[str]
    hints: Mapping[Trouble, str]


_RSA: Final = frozenset(
    f"{padding}-sha{bits}" for padding in ("rsassa-pss", "rsa-pkcs1v15") for bits in ("256", "384", "512")
)
_EC: Final = frozenset({"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384"})

AWS: Final = Service(
    scheme="awskms",
    called="AWS KMS",
    extra="awskms",
    modules=("boto3", "botocore"),
    signer="AWSSigner",
    form=re.compile(
        r"(?P<key>arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(?:key|alias)/[\w/-]{1,256}|alias/[\w/-]{1,256}|[a-zA-Z0-9-]{1,64})",
        re.ASCII,
    ),
    written="awskms: and a key id, an alias (alias/NAME) or the ARN of either",
    told_by=("key",),
    schemes=_EC | _RSA,
    hints={
        Trouble.PLACE: "name one: AWS_DEFAULT_REGION=eu-central-1, or region in ~/.aws/config",
        Trouble.CREDENTIALS: "log in (aws sso login), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY;"
        " aws sts get-caller-identity says who you are",
        Trouble.DENIED: "let whoever asks do kms:Sign, and kms:GetPublicKey to add the key, on this key",
        Trouble.MISSING: "look at its id and its region: aws kms describe-key --key-id ID",
        Trouble.KIND: "make one for signing: aws kms create-key --key-usage SIGN_VERIFY --key-spec ECC_NIST_P256",
    },
)

_SEGMENT: Final = r"[\w.:-]{1,128}"
GCP: Final = Service(
    scheme="gcpkms",
    called="Google Cloud KMS",
    extra="gcpkms",
    modules=("google.cloud.kms",),
    signer="GCPSigner",
    form=re.compile(
        rf"(?P<key>projects/{_SEGMENT}/locations/{_SEGMENT}/keyRings/{_SEGMENT}"
        rf"/cryptoKeys/{_SEGMENT}/cryptoKeyVersions/[1-9][0-9]{{0,9}})",
        re.ASCII,
    ),
    written="gcpkms:projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/1",
    told_by=("key",),
    schemes=frozenset({*_EC, *_RSA}) - {"rsassa-pss-sha384", "rsa-pkcs1v15-sha384"},
    hints={
        Trouble.CREDENTIALS: "log in (gcloud auth application-default login), or let GOOGLE_APPLICATION_CREDENTIALS"
        " name the file of a service account",
        Trouble.DENIED: "give whoever asks roles/cloudkms.signer, and roles/cloudkms.publicKeyViewer to add the key",
        Trouble.MISSING: "look at its name and version: gcloud kms keys versions list",
        Trouble.KIND: "make one with --purpose asymmetric-signing --default-algorithm ec-sign-p256-sha256",
    },
)

AZURE: Final = Service(
    scheme="azurekms",
    called="Azure Key Vault",
    extra="azurekms",
    modules=("azure.identity", "azure.keyvault.keys"),
    signer="AzureSigner",
    # A token goes to whatever host is named: none but Microsoft's.
    form=re.compile(
        r"//(?:(?P<vault>[a-z0-9-]{1,127})\.vault\.azure\.net"
        r"|[a-z0-9-]{1,127}\.(?:vault|managedhsm)\.(?:azure\.net|azure\.cn|usgovcloudapi\.net))"
        r"/keys/(?P<name>[a-z0-9-]{1,127})/[0-9a-f]{32}",
        re.ASCII | re.IGNORECASE,
    ),
    written="azurekms://VAULT.vault.azure.net/keys/NAME/VERSION, with the version's 32 digits",
    told_by=("vault", "name"),
    schemes=_EC | {"ecdsa-sha2-nistp521"},
    hints={
        Trouble.CREDENTIALS: "log in (az login), or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
        Trouble.DENIED: "give whoever asks the role Key Vault Crypto User, and let the vault's firewall pass it",
        Trouble.MISSING: "look at its name and version: az keyvault key list-versions",
        Trouble.KIND: "make one: az keyvault key create --kty EC --curve P-256",
    },
)

VAULT: Final = Service(
    scheme="hv",
    called="Vault",
    extra="vault",
    modules=("hvac",),
    signer="VaultSigner",
    form=re.compile(r"(?P<name>\w(?:[\w.-]{0,126}\w)?)/[1-9][0-9]{0,9}", re.ASCII),
    written="hv:NAME/VERSION, a key of the transit engine and its version",
    told_by=("name",),
    schemes=frozenset({"ed25519"}),
    hints={
        Trouble.CREDENTIALS: "log in (vault login), or set VAULT_TOKEN",
        Trouble.DENIED: "the token may be missing or old (vault token lookup); else let its policy update"
        " transit/sign/NAME, and read transit/keys/NAME to add the key",
        Trouble.MISSING: "look at its name, in the transit engine: vault read transit/keys/NAME",
        Trouble.KIND: "make one: vault write -f transit/keys/NAME type=ed25519; vault read transit/keys/NAME shows"
        " what is there",
        Trouble.NETWORK: "look at VAULT_ADDR, at the network, and whether it is sealed: vault status",
    },
)
