"""Database URLs: secrets come from the environment, and no message ever shows one."""

import os
import re
from urllib.parse import quote

from expectations.errors import CannotAsk


def expanded(name: str, url: str) -> str:
    """The URL with its ${VARIABLES} from the environment, only ever for a connection.

    Between `://` and `@` a value is plain text and is percent-encoded: a password may hold any character.
    """
    userinfo = re.match(r"[^:/]*://[^/]*@", url)

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise CannotAsk(f"{name}: the url names ${{{match[1]}}}, which is not set in the environment. Set it.")
        plain = os.environ[match[1]]
        return quote(plain, safe="") if userinfo and match.start() < userinfo.end() else plain

    return re.sub(r"\$\{(\w+)\}", value, url)


def redacted(url: str) -> str:
    """A URL, or a text with one, that may be shown."""
    shown = re.sub(r"://([^:/@\s]*):\S*@", r"://\1:***@", url)
    return re.sub(r"(?i)([?&](?:password|passwd|pwd|token|secret|sslpassword)=)[^&\s]*", r"\1***", shown)


def without_secrets(error: BaseException, url: str) -> str:
    """What the driver said, without any value that the environment gave to the URL."""
    told = first_line(error)
    for value in {os.environ.get(variable, "") for variable in re.findall(r"\$\{(\w+)\}", url)} - {""}:
        told = told.replace(value, "***").replace(quote(value, safe=""), "***")
    return told


def first_line(error: BaseException) -> str:
    """The first line of an error's message, at most 300 characters, without a URL's password or a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return redacted(lines[0] if lines else type(error).__name__).rstrip(".")[:300]
