"""QR codes on a screen, module by module."""

from collections.abc import Sequence

import segno

_QUIET = 4
"""How many light modules a code has on each of its sides (ISO/IEC 18004)."""
_LIGHT = {"█": (True, True), "▀": (True, False), "▄": (False, True), " ": (False, False)}


def drawn(rows: Sequence[str]) -> list[list[bool]]:
    """Return which modules are dark in a code drawn in half blocks; see that it has light ones all around."""
    width = max(map(len, rows))
    lines = [[not _LIGHT[letter][half] for letter in row.ljust(width)] for row in rows for half in (0, 1)][:width]
    inner = slice(_QUIET, width - _QUIET)
    around = [*lines[:_QUIET], *lines[inner.stop :], *(line[:_QUIET] + line[inner.stop :] for line in lines)]
    assert not any(map(any, around))
    return [line[inner] for line in lines[inner]]


def expected(text: str) -> list[list[bool]]:
    """Return which modules are dark in the code of a text."""
    return [[bool(module) for module in line] for line in segno.make_qr(text).matrix]
