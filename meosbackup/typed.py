"""The values of a JSON document, each of the type that it must have."""

from datetime import datetime
from typing import Any, TypeVar

Value = TypeVar("Value")


def value(item: Any, key: str, kind: type[Value]) -> Value:
    """Return a value that must be there. Raises KeyError, TypeError."""
    found = item[key]
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise TypeError(f"{key} is {found!r:.40}, not {kind.__name__}")
    return found


def optional(item: Any, key: str, kind: type[Value]) -> Value | None:
    """Return a value; None where it is missing or null. Raises TypeError."""
    return None if item.get(key) is None else value(item, key, kind)


def time(text: str) -> datetime:
    """Read a time with its zone. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return moment
