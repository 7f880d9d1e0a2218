"""Licences as SPDX expressions, and whether a list of allowed ones allows them."""

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase

from cyclonedx.spdx import fixup_id

from infra.environment import Installed

# The names that licences had before they had ids (the classifiers of PyPI, and what people write). "BSD" alone and
# "LGPL" alone are read as the form that is meant most often.
NAMES = {
    "apache": "Apache-2.0",
    "apache software": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache version 2": "Apache-2.0",
    "apache v2": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "new bsd": "BSD-3-Clause",
    "3 clause bsd": "BSD-3-Clause",
    "bsd 3 clause": "BSD-3-Clause",
    "bsd 2 clause": "BSD-2-Clause",
    "simplified bsd": "BSD-2-Clause",
    "mit": "MIT",
    "the mit mit": "MIT",
    "isc iscl": "ISC",
    "isc": "ISC",
    "mozilla public 2 mpl 2": "MPL-2.0",
    "mozilla public 2": "MPL-2.0",
    "mpl 2": "MPL-2.0",
    "gpl 2": "GPL-2.0-only",
    "gpl 3": "GPL-3.0-only",
    "gplv3": "GPL-3.0-only",
    "cc by 4 0": "CC-BY-4.0",
    "cc0": "CC0-1.0",
    "python software foundation": "PSF-2.0",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "the unlicense unlicense": "Unlicense",
    "public domain": "LicenseRef-public-domain",
    "zlib libpng": "Zlib",
    "artistic": "Artistic-1.0",
    "gnu general public gpl": "GPL-1.0-or-later",
    "gnu general public v2 gplv2": "GPL-2.0-only",
    "gnu general public v2 or later gplv2": "GPL-2.0-or-later",
    "gnu general public v3 gplv3": "GPL-3.0-only",
    "gnu general public v3 or later gplv3": "GPL-3.0-or-later",
    "gnu lesser general public v2 or later lgplv2": "LGPL-2.0-or-later",
    "gnu lesser general public v3 lgplv3": "LGPL-3.0-only",
    "gnu lesser general public v3 or later lgplv3": "LGPL-3.0-or-later",
    "gnu library or lesser general public lgpl": "LGPL-2.0-or-later",
    "gnu affero general public v3": "AGPL-3.0-only",
    "gnu affero general public v3 or later agplv3": "AGPL-3.0-or-later",
}
SAYS_NOTHING = {"", "unknown", "none", "other", "osi approved", "dual", "proprietary", "?", "n a", "tbd", "todo"}
# Words that only this licence holds; the longer form of BSD before the shorter one.
PHRASES = {
    "Apache-2.0": ("Apache License", "Version 2.0"),
    "MIT": ("Permission is hereby granted, free of charge", "without restriction"),
    "BSD-3-Clause": ("Redistribution and use in source and binary forms", "endorse or promote products"),
    "BSD-2-Clause": ("Redistribution and use in source and binary forms",),
    "MPL-2.0": ("Mozilla Public License", "2.0"),
}
TOKEN = re.compile(r"\(|\)|[^\s()]+")


def licence_of(one: Installed) -> str:
    """A distribution's licence as an SPDX expression; "" where it says nothing that is understood.

    Its expression (PEP 639) goes before its classifiers, those before what its field says, and that before the text of
    its licence file. Several classifiers are a choice.
    """
    if one.expression:
        return spdx(one.expression)
    told = (spdx(line.rsplit("::", 1)[-1]) for line in one.classifiers)
    named = dict.fromkeys(name for name in told if name)
    return " OR ".join(named) or spdx(one.text) or _by_its_words(one.file)


def _by_its_words(text: str) -> str:
    """The licence whose own words stand in a text."""
    flat = " ".join(text.split())
    return next((name for name, words in PHRASES.items() if all(word in flat for word in words)), "")


def spdx(text: str) -> str:
    """An SPDX expression of what somebody wrote; "" where it is none and no known name of one.

    What stands in brackets after it is a remark: `MIT (R package modeldata)`.
    """
    whole = text.strip()
    bare = re.sub(r"\s+\((?![^)]*\b(?:AND|OR|WITH)\b)[^)]*\)\s*$", "", whole)
    if bare.casefold() in SAYS_NOTHING:
        return ""
    tokens = [_token(token) for token in TOKEN.findall(bare)]
    if all(tokens) and _value(list(tokens), {"*"}) is not None:
        return " ".join(tokens).replace("( ", "(").replace(" )", ")")
    return NAMES.get(_plain(whole)) or NAMES.get(_plain(bare), "")


def _plain(text: str) -> str:
    words = re.findall(r"[a-z0-9]+", text.casefold().replace("2.0", "2"))
    return " ".join(word for word in words if word not in ("license", "licence"))


def _token(token: str) -> str:
    if token in ("(", ")", "AND", "OR", "WITH"):
        return token
    if token.startswith("LicenseRef-"):
        return token
    return fixup_id(token) or ("" if not token.endswith("-exception") else token)


def allowed(expression: str, globs: Iterable[str]) -> bool:
    """Does a list of SPDX ids, with * as in file names, allow the expression? Of a choice one is enough."""
    return bool(_value(TOKEN.findall(expression), set(globs)))


def _value(tokens: list[str], globs: set[str]) -> bool | None:
    """The expression's value where an id is true if a glob fits it; None where it is no expression."""
    value, rest = _choice(tokens, globs)
    return None if rest else value


def _choice(tokens: list[str], globs: set[str]) -> tuple[bool | None, list[str]]:
    value, rest = _all_of(tokens, globs)
    while value is not None and rest[:1] == ["OR"]:
        other, rest = _all_of(rest[1:], globs)
        value = None if other is None else value or other
    return value, rest


def _all_of(tokens: list[str], globs: set[str]) -> tuple[bool | None, list[str]]:
    value, rest = _one(tokens, globs)
    while value is not None and rest[:1] == ["AND"]:
        other, rest = _one(rest[1:], globs)
        value = None if other is None else value and other
    return value, rest


def _one(tokens: list[str], globs: set[str]) -> tuple[bool | None, list[str]]:
    if not tokens or tokens[0] in (")", "AND", "OR", "WITH"):
        return None, tokens
    if tokens[0] == "(":
        value, rest = _choice(tokens[1:], globs)
        return (value, rest[1:]) if rest[:1] == [")"] else (None, rest)
    held = any(fnmatchcase(tokens[0].casefold(), glob.casefold()) for glob in globs)
    # An exception (WITH) only ever allows more.
    return held, tokens[3:] if tokens[1:2] == ["WITH"] else tokens[1:]
