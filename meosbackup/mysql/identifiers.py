"""Names of databases and tables, as servers spell them and as SQL quotes them."""

from collections.abc import Iterable

_SYSTEM = frozenset({"information_schema", "mysql", "performance_schema", "sys"})


def is_system(name: str) -> bool:
    """Tell whether a database is one of the server's own, which no race can be in."""
    return name.lower() in _SYSTEM


def spelled(name: str, names: Iterable[str]) -> str | None:
    """Return a name as the server spells it: the very same one, or the one that differs in case only."""
    same = [candidate for candidate in names if candidate.lower() == name.lower()]
    return name if name in same else next(iter(same), None)


def quoted(identifier: str) -> str:
    """Quote a name for SQL (MySQL manual, "Schema Object Names")."""
    return "`" + identifier.replace("`", "``") + "`"
