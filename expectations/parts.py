"""What every part of a release spec is."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the spec: frozen, and a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)
