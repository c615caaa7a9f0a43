"""The page's words: a file a language, `sv.toml`, with the same keys in all of them."""

import tomllib
from functools import cache
from importlib import resources

CODES = ("en", "sv", "nb", "da", "fi", "de", "fr", "es", "pt", "cs", "uk")
"""The languages, in the order in which the page offers them."""


@cache
def every() -> dict[str, dict[str, str]]:
    """Return the words of every language, by its code and their keys."""
    return {code: words(code) for code in CODES if resources.files(__name__).joinpath(f"{code}.toml").is_file()}


def words(code: str) -> dict[str, str]:
    """Return the words of a language, by their keys."""
    return tomllib.loads(resources.files(__name__).joinpath(f"{code}.toml").read_text("utf-8"))
