"""What the user set: flag > environment > TOML file > MySQL option file > the user's own one > default."""

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_origin, get_type_hints

from meosbackup import notices
from meosbackup.errors import WrongUsageError
from meosbackup.settings import option_file
from meosbackup.settings.kinds import (
    COUNT,
    DAYS,
    FILE,
    FOLDER,
    MEGABYTES,
    PORT,
    PROGRAM,
    SECONDS,
    SECRET,
    SPAN,
    SSL_MODE,
    SWITCH,
    TEXT,
    TEXTS,
    Kind,
)
from meosbackup.text import clean

PREFIX = "MEOSBACKUP_"
"""What the name of each environment variable begins with."""

_CONFIG_VARIABLE = f"{PREFIX}CONFIG"
_WIDTH = 80


@dataclass(frozen=True)
class Settings:
    """What the user set, or the defaults; `interval` and the limits are seconds, and every path is absolute.

    A setting is one line here and one in config.example.toml: its type, its kind and its default; its key, where that
    isn't the field's name, follows the kind. `set_by` tells for each field that the user set what set it
    (`--user`, `MEOSBACKUP_USER`, `/etc/club.toml: user`).
    """

    target: Annotated[Path | None, FOLDER] = None
    host: Annotated[str, TEXT] = "localhost"
    port: Annotated[int, PORT] = 3306
    socket: Annotated[Path | None, FILE] = None
    user: Annotated[str, TEXT] = "meos"
    password: Annotated[str | None, SECRET] = field(default=None, repr=False)
    ask_password: Annotated[bool, SWITCH] = False
    defaults_file: Annotated[Path | None, FILE] = None
    ssl_mode: Annotated[str, SSL_MODE] = "PREFERRED"
    interval: Annotated[int, SECONDS] = 60
    days: Annotated[int, DAYS] = 3
    races: Annotated[tuple[str, ...], TEXTS, "race"] = ()
    all_races: Annotated[bool, SWITCH] = False
    any_disk: Annotated[bool, SWITCH] = False
    spool: Annotated[Path | None, FOLDER] = None
    spool_mb: Annotated[int, MEGABYTES] = 2048
    reserve_mb: Annotated[int | None, MEGABYTES] = None
    mysqldump: Annotated[str | None, PROGRAM] = None
    mysql: Annotated[str | None, PROGRAM] = None
    jobs: Annotated[int, COUNT] = 2
    lock_limit: Annotated[int, SECONDS] = 5
    dump_limit: Annotated[int, SECONDS] = 600
    skip_unchanged: Annotated[bool, SWITCH] = True
    meosxml: Annotated[bool, SWITCH] = True
    rehearse_every: Annotated[int | None, SPAN] = None
    log_file: Annotated[Path | None, FILE] = None
    quiet: Annotated[bool, SWITCH] = False
    verbose: Annotated[bool, SWITCH] = False
    set_by: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)


class Key(NamedTuple):
    """The field that a key sets, and what it may be."""

    field: str
    kind: Kind


def _keys() -> dict[str, Key]:
    keys = {}
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        if get_origin(hint) is Annotated:
            kind, *renamed = hint.__metadata__
            keys[renamed[0] if renamed else name] = Key(name, kind)
    return keys


KEYS: Mapping[str, Key] = _keys()
"""Every key of the TOML file; its flag and its variable are called after it."""

# Of each two, one alone can be meant: that of the higher rank.
_RIVALS = (("quiet", "verbose"), ("ask_password", "password"), ("race", "all_races"))


@dataclass(frozen=True)
class _Source:
    """Where values come from: its rank (0 is the highest), and which key each of its names stands for."""

    rank: int
    names: Mapping[str, str]
    file: Path | None = None
    folder: Path = Path()
    is_text: bool = True


class _Given(NamedTuple):
    """A value that the user gave, the rank of its source, and where it stands."""

    rank: int
    label: str
    value: Any


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")


def load(flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None) -> Settings:
    """Return the settings.

    `flags` are the command line's, by their keys; None, an empty text and an empty tuple stand for "not given", as an
    empty text does in every other source. `config` is the TOML file; otherwise the variable MEOSBACKUP_CONFIG names
    it; otherwise there is none. Where nothing sets a user or a password, the user's own MySQL option file may.
    Relative paths start from the TOML file's folder in that file, and from the current folder elsewhere. Raises one
    WrongUsageError with all that is wrong.
    """
    faults: list[str] = []
    given = _checked(
        {_flag(key): value for key, value in flags.items()},
        _Source(0, {_flag(key): key for key in KEYS}),
        faults,
    )
    variables = {name: text for name, text in environment.items() if name.startswith(PREFIX)}
    path = _config_file(config, variables.pop(_CONFIG_VARIABLE, None), faults)
    given = _checked(variables, _Source(1, {PREFIX + key.upper(): key for key in KEYS}), faults) | given
    if path is not None:
        source = _Source(2, {key: key for key in KEYS}, path, path.parent, is_text=False)
        given = _checked(_document(path, faults), source, faults) | given
    if "defaults_file" in given:
        path = given["defaults_file"].value
        source = _Source(3, {key: key for key in option_file.OPTIONS}, path)
        given = _checked(_options(path, faults), source, faults) | given
    asked = "ask_password" in given and given["ask_password"].value
    if not asked and not {"user", "password"} & given.keys():
        given = _own_login(environment) | given
    _settle_rivals(given, faults)
    _settle_address(given)
    if faults:
        raise WrongUsageError(
            f"The settings have {len(faults)} {'fault' if len(faults) == 1 else 'faults'}:"
            + "".join(f"\n  {clean(fault)}." for fault in faults),
            "Nothing was backed up.",
            "Correct them and start again; config.example.toml explains every key.",
        )
    return Settings(
        **{KEYS[key].field: item.value for key, item in given.items()},
        set_by={KEYS[key].field: item.label for key, item in given.items()},
    )


def _config_file(config: Path | None, variable: str | None, faults: list[str]) -> Path | None:
    label, named = ("--config", config) if config else (_CONFIG_VARIABLE, variable)
    try:
        path: Path | None = FILE.check(named, Path()) if named else None
    except ValueError:
        faults.append(f"{label} = {_shown(named)}: must be {FILE.right}")
        return None
    return path


def _document(path: Path, faults: list[str]) -> dict[str, Any]:
    """Return what a TOML file holds; where it can't be read, add why to the faults."""
    text = ""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return tomllib.loads(text)
    except OSError as error:
        faults.append(f"{path} can't be read ({'it is a folder' if path.is_dir() else error.strerror or error})")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        faults.append(f"{path}, line {line}: not in UTF-8; save the file as UTF-8")
    except (ValueError, RecursionError) as error:
        place = re.search(r"at line (\d+)", str(error))
        faulty = text.split("\n")[int(place[1]) - 1] if place else text
        hint = "; write a Windows path in '…', or with / for each \\" if "\\" in faulty else ""
        faults.append(f"{path} is not TOML: {error}{hint}")
    return {}


def _options(path: Path, faults: list[str]) -> dict[str, str]:
    try:
        return option_file.read(path)
    except WrongUsageError as error:
        faults.append(error.what.removesuffix("."))
        return {}


def _own_login(environment: Mapping[str, str]) -> dict[str, _Given]:
    """Return what the user's own MySQL option file says of the login: of those places the first that says anything."""
    for path in option_file.own_files(environment):
        faults: list[str] = []
        source = _Source(4, {key: key for key in option_file.OPTIONS}, path)
        found = _checked(_options(path, faults), source, faults)
        for fault in faults:
            # MySQL's own programs leave out what everyone may write, without a word.
            notices.tell(f"{clean(fault)}; meosbackup goes on without it")
        if not faults and {"user", "password"} & found.keys():
            return found
    return {}


def _checked(raw: Mapping[str, Any], source: _Source, faults: list[str]) -> dict[str, _Given]:
    """Return the values of a source that are right, by key; add what is wrong with the others to the faults."""
    given = {}
    for name, value in raw.items():
        if value in (None, "", ()):
            continue
        shown_name = clean(name, _WIDTH) or "(no name)"
        label = f"{source.file}: {shown_name}" if source.file else shown_name
        if name not in source.names:
            faults.append(f"{label}: {_unknown(name, value, source.names)}")
            continue
        key = source.names[name]
        kind = KEYS[key].kind
        parsed = kind.parse(value) if source.is_text and isinstance(value, str) else value
        try:
            given[key] = _Given(source.rank, label, kind.check(parsed, source.folder))
        except ValueError:
            faults.append(f"{label} = {'(not shown)' if kind.secret else _shown(value)}: must be {kind.right}")
    return given


def _unknown(name: str, value: Any, names: Iterable[str]) -> str:
    if isinstance(value, dict):
        return "no such [group]; keys stand without one"
    return f"no such key; the nearest is {difflib.get_close_matches(name[:_WIDTH], names, 1, 0.0)[0]}"


def _shown(value: Any) -> str:
    """Return a value as it stands in a message."""
    match value:
        case bool():
            shown = str(value).lower()
        case int() if abs(value) >= 10**20:  # Python refuses to write thousands of digits
            shown = "(a huge number)"
        case str() | Path():
            shown = repr(str(value))
        case list() | tuple():
            shown = f"[{', '.join('[…]' if isinstance(item, list) else _shown(item) for item in value)}]"
        case dict():
            shown = "(a group)"
        case _:
            shown = str(value)
    return clean(shown, _WIDTH)


def _settle_rivals(given: dict[str, _Given], faults: list[str]) -> None:
    for rivals in _RIVALS:
        meant = {key: given[key] for key in rivals if key in given and given[key].value}
        if len(meant) < 2:
            continue
        one, other = meant.values()
        if one.rank == other.rank:
            faults.append(f"{one.label} and {other.label}: only one of them can be meant")
        else:
            del given[max(meant, key=lambda key: meant[key].rank)]


def _settle_address(given: dict[str, _Given]) -> None:
    """Keep either the socket, or the host and port: what stands higher, lest it be another server that is meant.

    Where they come from the same source, the rule is that of MySQL's programs: a socket counts for localhost alone.
    """
    if "socket" not in given:
        return
    socket = given["socket"]
    address = {key: given[key] for key in ("host", "port") if key in given}
    is_remote = "host" in address and address["host"].value.lower() != "localhost"
    if any(item.rank < socket.rank for item in address.values()) or (is_remote and address["host"].rank == socket.rank):
        del given["socket"]
    else:
        for key, item in address.items():
            if item.rank > socket.rank:
                del given[key]
