"""What is wrong when a cloud service does not do what it is asked, told by the class of the error and its code.

The texts of these errors are not repeated: they come from outside, and may quote the request with what is secret in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import Any, Final

_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,59}", re.ASCII)


class Trouble(Enum):
    """What keeps a cloud service from signing, or from telling a public half."""

    EXTRA = auto()
    PLACE = auto()
    CREDENTIALS = auto()
    DENIED = auto()
    MISSING = auto()
    AWAY = auto()
    KIND = auto()
    BUSY = auto()
    NETWORK = auto()
    UNKNOWN = auto()


# Error codes of AWS, names of exception classes, HTTP statuses. Classes of different libraries that share a name mean
# the same.
_TELLING: Final[Mapping[Trouble, str]] = {
    Trouble.EXTRA: "ImportError UnsupportedLibraryError",
    Trouble.PLACE: "NoRegionError InvalidRegionError",
    Trouble.CREDENTIALS: """
        UnrecognizedClientException InvalidClientTokenId InvalidSignatureException ExpiredTokenException ExpiredToken
        IncompleteSignature IncompleteSignatureException MissingAuthenticationToken MissingAuthenticationTokenException
        NoCredentialsError PartialCredentialsError CredentialRetrievalError TokenRetrievalError MetadataRetrievalError
        SSOError NoAuthTokenError LoginError ProfileNotFound ConfigNotFound UnknownCredentialError
        DefaultCredentialsError RefreshError MalformedError UserAccessTokenError OAuthError Unauthenticated
        ClientAuthenticationError Unauthorized 401
        """,
    Trouble.DENIED: "AccessDeniedException AccessDenied PermissionDenied Forbidden 403",
    Trouble.MISSING: "NotFoundException InvalidArnException NotFound ResourceNotFoundError InvalidPath 404",
    Trouble.AWAY: "DisabledException KMSInvalidStateException KeyUnavailableException FailedPrecondition",
    Trouble.KIND: """
        InvalidKeyUsageException UnsupportedOperationException UnsupportedAlgorithmError UnsupportedKeyType
        InvalidArgument InvalidRequest UnsupportedOperation
        """,
    Trouble.BUSY: """
        ThrottlingException Throttling LimitExceededException RequestLimitExceeded TooManyRequestsException
        ResourceExhausted TooManyRequests RateLimitExceeded 429
        """,
    Trouble.NETWORK: """
        HTTPClientError DependencyTimeoutException KMSInternalException InternalFailure ServiceUnavailable
        TransportError ServerError RetryError ServiceRequestError ServiceResponseError RequestException
        InternalServerError BadGateway VaultDown VaultNotInitialized ConnectionError TimeoutError gaierror
        500 502 503 504
        """,
}
_TROUBLES: Final[Mapping[str, Trouble]] = {
    word: trouble for trouble, words in _TELLING.items() for word in words.split()
}


def trouble_of(error: BaseException) -> Trouble:
    """What an error of a cloud service's library means."""
    return next((_TROUBLES[each] for each in _signs(error) if each in _TROUBLES), Trouble.UNKNOWN)


def name_of(error: BaseException) -> str:
    """What to look an error up by: the service's code for it, else its class; never its text."""
    return _code(error) or type(error).__name__


def _signs(error: BaseException) -> Iterator[str]:
    """What tells the meaning of an error, the most telling first."""
    yield _code(error)
    for each in type(error).__mro__:
        yield each.__name__
    yield str(getattr(error, "status_code", ""))


def _code(error: BaseException) -> str:
    """The code in an answer of AWS; empty where there is none that is a word."""
    response: Any = getattr(error, "response", None)
    told = response.get("Error") if isinstance(response, Mapping) else None
    code = told.get("Code") if isinstance(told, Mapping) else None
    return code if isinstance(code, str) and _WORD.fullmatch(code) else ""
