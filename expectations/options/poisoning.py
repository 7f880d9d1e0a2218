"""What a release spec may say of the check `poisoning`."""

from pydantic import Field

from expectations.parts import Part


class Poisoning(Part):
    """Suspect labels, and the sources that they came from."""

    source: str | None = Field(
        default=None,
        description="A column that says where each row came from, such as the branch or the partner; it may be one "
        "that is no feature. Without it nothing is said of sources",
    )
    contradicted: float = Field(
        default=0.1,
        gt=0,
        le=0.1,
        description="Share of the labels that may contradict what the other records say, where these are surest",
    )
    source_excess: float = Field(
        default=0.1,
        gt=0,
        le=0.1,
        description="A source may have so many more suspect labels than the others, as a share",
    )
    cpu_seconds: float = Field(
        default=6, gt=0, description="Budget for training without each source; beyond it a fast stand-in is trained"
    )
