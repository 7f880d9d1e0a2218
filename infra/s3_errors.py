"""What an S3 server, or the way to it, answers instead of an answer: as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions as found
from botocore.exceptions import BotoCoreError, ClientError

from expectations.errors import Away, CannotAsk
from infra.s3_place import Place
from infra.store import AGAIN

NO_BUCKET = "no such bucket", "Make the bucket, or mend its name in --store."
EXPIRED = "credentials that have expired", "Get new ones (for example `aws sso login`) and run the command again."
WRONG_SECRET = "a signature that is wrong", "Mend AWS_SECRET_ACCESS_KEY, or the profile that AWS_PROFILE names."
UNKNOWN_KEY = "an access key that it does not know", "Mend AWS_ACCESS_KEY_ID, or the profile that AWS_PROFILE names."
DENIED = "access denied", "Grant what docs/store.md lists under Permissions, to these credentials."
DENIED_OR_WRONG = "access denied, or a wrong secret", f"Mend the credentials, or: {DENIED[1][0].lower()}{DENIED[1][1:]}"
REGION = "that the bucket is in another region", "Add region=NAME to the URL."
CLOCK = "a time that is too far from its own", "Set this machine's clock."
UNWELL = "a server that is not well", "Wait, and run the command again: what is finished is not done again."
DAMAGED = "bytes that were changed on their way", "Run the command again; if it stays so, look at the network."
NO_LOCK = "a request that it takes for invalid", "Look whether lock_days asks for an object lock that the bucket lacks."

CODES = {
    "NoSuchBucket": NO_BUCKET,
    "ExpiredToken": EXPIRED,
    "ExpiredTokenException": EXPIRED,
    "TokenRefreshRequired": EXPIRED,
    "RequestExpired": EXPIRED,
    "SignatureDoesNotMatch": WRONG_SECRET,
    "InvalidAccessKeyId": UNKNOWN_KEY,
    "InvalidToken": UNKNOWN_KEY,
    "InvalidClientTokenId": UNKNOWN_KEY,
    "AccessDenied": DENIED,
    "AllAccessDisabled": DENIED,
    "403": DENIED_OR_WRONG,
    "AuthorizationHeaderMalformed": REGION,
    "PermanentRedirect": REGION,
    "IllegalLocationConstraintException": REGION,
    "301": REGION,
    "RequestTimeTooSkewed": CLOCK,
    "BadDigest": DAMAGED,
    "XAmzContentSHA256Mismatch": DAMAGED,
    "XAmzContentChecksumMismatch": DAMAGED,
    "InvalidRequest": NO_LOCK,
}
NONE = "no credentials", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE."
AWAY = "nothing that answers there", "Look whether the server runs and the endpoint in --store is right."
# The first that fits counts: a time-out while connecting is a kind of connection error, and so on.
KINDS: list[tuple[type[Exception] | tuple[type[Exception], ...], tuple[str, str]]] = [
    ((found.NoCredentialsError, found.PartialCredentialsError), NONE),
    ((found.TokenRetrievalError, found.SSOTokenLoadError, found.UnauthorizedSSOTokenError), EXPIRED),
    (found.CredentialRetrievalError, ("credentials that cannot be fetched", NONE[1])),
    (found.SSLError, ("a certificate that is not trusted", "Name the right endpoint, or set AWS_CA_BUNDLE.")),
    ((found.EndpointConnectionError, found.ConnectTimeoutError, found.ProxyConnectionError), AWAY),
    (found.ReadTimeoutError, ("no answer in time", AGAIN)),
    (found.FlexibleChecksumError, DAMAGED),
    ((found.HTTPClientError, found.IncompleteReadError), ("a connection that was cut", AGAIN)),
]


def code_of(error: ClientError) -> str:
    """The server's word for what is wrong, such as NoSuchKey; of an answer without a body, its HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """The HTTP status."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


@contextmanager
def asking(place: Place, operation: str) -> Iterator[None]:
    """Whatever the client raises inside becomes a CannotAsk; neither secrets nor the server's own text are in it.

    Away where asking later can help.
    """
    try:
        yield
    except (ClientError, BotoCoreError) as error:
        kind = Away if _can_pass(error) else CannotAsk
        raise kind(f"{place.url}: {operation}: {sentence(error)}") from None


def _can_pass(error: Exception) -> bool:
    if isinstance(error, ClientError):
        return _unwell(error)
    # A refused connection, as of a server that starts anew, is no HTTPClientError to botocore.
    passing = found.ConnectionError | found.HTTPClientError | found.IncompleteReadError
    return isinstance(error, passing) and not isinstance(error, found.SSLError)


def _unwell(error: ClientError) -> bool:
    return status_of(error) >= 500 or status_of(error) == 429 or code_of(error) == "SlowDown"


def sentence(error: Exception) -> str:
    """What was found, and what to do next."""
    if isinstance(error, ClientError):
        code, status = code_of(error), status_of(error)
        unknown = UNWELL if _unwell(error) else (f"a refusal ({code})", "Look at the server's log.")
        what, then = CODES.get(code) or unknown
        return f"expected an answer, found {what} ({status}). {then}"
    for kind, (what, then) in KINDS:
        if isinstance(error, kind):
            return f"expected an answer, found {what}. {then}"
    return f"expected an answer, found {type(error).__name__}. Look at the endpoint, the region and the credentials."
