"""The names that MeOS gives its tables; a server that tells the case of names apart must have them so."""

_TABLES = (
    "oEvent", "oRunner", "oTeam", "oClass", "oClub", "oCourse", "oControl", "oCard", "oPunch", "oCounter", "oMonitor",
    "oImage", "dbRunner", "dbClub",
)  # fmt: skip
_BY_LOWER_CASE = {name.lower(): name for name in _TABLES}

RACE_LIST = "MeOSMain"


def table(name: str) -> str:
    """Return a table's name as MeOS spells it; that of another program's table as it is."""
    return _BY_LOWER_CASE.get(name.lower(), name)
