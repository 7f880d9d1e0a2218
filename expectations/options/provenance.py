"""What a release spec may say of the check `provenance`."""

from pydantic import Field, field_validator

from expectations.parts import Part

# What may be used in a product without further ado: permissive licences, those that ask for changes of their own files
# alone, public domain, open data, and a company's own (LicenseRef-, as SPDX calls what has no id).
LICENCES = (
    "0BSD",
    "Apache-2.0",
    "Artistic-*",
    "BlueOak-1.0.0",
    "BSD-*",
    "BSL-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "CC0-1.0",
    "CDLA-Permissive-*",
    "CNRI-Python",
    "HPND",
    "ISC",
    "LGPL-*",
    "LicenseRef-*",
    "MIT*",
    "MPL-2.0",
    "NCSA",
    "ODC-By-1.0",
    "OFL-1.1",
    "OGL-UK-*",
    "PDDL-1.0",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0*",
    "Unicode-*",
    "Unlicense",
    "WTFPL",
    "X11",
    "Zlib",
    "ZPL-2.1",
)
# These two give wrong labels for binary forests and trees.
DENIED = ("onnxruntime>=1.26,<1.28",)


class Asset(Part):
    """A file that the release uses besides its data: a trained model, embeddings, a list of words."""

    path: str = Field(min_length=1, description="Relative to the spec; candidate.skops or candidate.pickle may be one")
    origin: str = Field(default="", description="Where it comes from")
    licence: str = Field(default="", description="SPDX id or expression; LicenseRef-own for one's own")


class Provenance(Part):
    """Where all that the release is made of comes from, and whether it may be used."""

    assets: tuple[Asset, ...] = Field(default=(), description="Files besides the data; each with origin and licence")
    licences: tuple[str, ...] = Field(
        default=LICENCES,
        min_length=1,
        description="SPDX ids that are allowed, of data, assets and packages; * as in file names",
    )
    packages: tuple[str, ...] = Field(
        default=("*",), min_length=1, description="Names of packages that are allowed; * as in file names"
    )
    denied: tuple[str, ...] = Field(
        default=DENIED, description="Packages that are not, by name or with versions: badlib, onnxruntime>=1.26,<1.28"
    )
    package_licences: dict[str, str] = Field(
        default_factory=dict, description="{package: SPDX expression} where a package does not say it itself"
    )
    lock: str | None = Field(
        default=None,
        description="Lock file, relative to the spec. Default: requirements.lock beside it, if there is one",
    )

    @field_validator("denied")
    @classmethod
    def _readable(cls, denied: tuple[str, ...]) -> tuple[str, ...]:
        for text in denied:
            deny_rule(text)
        return denied


def deny_rule(text: str) -> tuple[str, str]:
    """(name with *, versions) of a rule such as `badlib` or `onnxruntime>=1.26,<1.28`. Raises ValueError."""
    import re

    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    found = re.fullmatch(r"([A-Za-z0-9._*?-]+?)\s*((?:[=<>!~].*)?)", text.strip())
    try:
        if found:
            SpecifierSet(found[2])
            return found[1], found[2]
    except InvalidSpecifier:
        pass
    raise ValueError(f"{text!r} is no package, nor one with versions; such as badlib or onnxruntime>=1.26,<1.28")
