"""Check that XML is well-formed, without keeping any of it."""

from collections.abc import Iterable
from xml.parsers import expat


def fault(pieces: Iterable[bytes], root: str) -> str:
    """Return why XML isn't well-formed, or that its outermost tag isn't `root`; an empty text if all is right.

    A document type is refused, so that no text from elsewhere can grow by its entities.
    """
    outermost = ""

    def started(tag: str, _: object) -> None:
        nonlocal outermost
        outermost = outermost or tag

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = started
    parser.StartDoctypeDeclHandler = _refuse
    try:
        for piece in pieces:
            parser.Parse(piece)
        parser.Parse(b"", True)
    except (expat.ExpatError, ValueError) as error:
        return f"is not well-formed XML ({error})"
    return "" if outermost == root else f"begins with <{outermost:.40}>, not with <{root}>"


def _refuse(*_: object) -> None:
    raise ValueError("it has a document type")
