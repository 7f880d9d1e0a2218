"""What every part of a release spec is."""

import difflib
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

# A function beside the spec: `module:function`.
Function = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]
# What a model is called.
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
# A password in clear inside a URL.
LITERAL_PASSWORD = re.compile(r"://[^/@:]+:(?!\$\{)[^@]+@")


class Part(BaseModel):
    """A part of the spec: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


def nearest(name: str, there: Iterable[str]) -> str:
    """The rest of a sentence about a name that is not there."""
    found = difflib.get_close_matches(name, there, n=1)
    return f" the nearest is {found[0]!r}" if found else f" there are {', '.join(there)}"
