import os
import re
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path, PurePosixPath, PureWindowsPath
from unittest import mock

import click
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from meosbackup.errors import WrongUsageError
from meosbackup.settings import chosen
from meosbackup.settings.faults import SAVE_AS_UTF8
from meosbackup.settings.model import Settings
from meosbackup.settings.option_file import own_files
from meosbackup.settings.options import CONFIG, KEYS, SETTINGS, options
from meosbackup.settings.value_types import rooted

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"


@click.command()
@options("target", "server", "backup", "programs")
def command() -> None:
    """Have every option."""


def load(flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None) -> Settings:
    """Return the settings of a command with all options, from flags by their keys, variables and a TOML file."""
    args = [] if config is None else ["--config", str(config)]
    for key, value in flags.items():
        option = "--" + key.replace("_", "-")
        args += [option] if value is True else [option, str(value)]
    with mock.patch.dict(os.environ, environment, clear=True):
        return chosen.settings(command.make_context("race-day", args))


def at_home(folder: Path) -> dict[str, str]:
    """Return the variables by which Linux and Windows know a user's folder."""
    return {"HOME": str(folder), "USERPROFILE": str(folder)}


def from_file(folder: Path, text: str, **environment: str) -> Settings:
    path = folder / "club.toml"
    path.write_text(text, "utf-8", newline="")
    return load({}, environment, path)


def fault(flags: Mapping[str, object], environment: Mapping[str, str], config: Path | None) -> str:
    with pytest.raises(WrongUsageError) as caught:
        load(flags, environment, config)
    assert caught.value.exit_code == 2
    assert caught.value.means == "Nothing was backed up."
    return caught.value.what


def fault_of_file(folder: Path, text: str) -> str:
    path = folder / "club.toml"
    path.write_text(text, "utf-8", newline="")
    return fault({}, {}, path).replace(str(path), "FILE")


def test_the_defaults() -> None:
    settings = load({}, {}, None)
    assert settings == Settings()
    assert (settings.host, settings.port, settings.user, settings.interval, settings.days) == (
        "localhost", 3306, "meos", 60, 3,
    )  # fmt: skip


def test_every_key_is_in_the_example_at_its_default(tmp_path: Path) -> None:
    text = re.sub(r"^#(?=\w)", "", EXAMPLE.read_text("utf-8"), flags=re.MULTILINE)
    document = tomllib.loads(text)
    assert set(document) == set(KEYS)
    assert {setting.field for setting in SETTINGS} == {field.name for field in fields(Settings)}
    assert from_file(tmp_path, text) == Settings()
    assert from_file(tmp_path, EXAMPLE.read_text("utf-8")) == Settings()
    for setting in SETTINGS:
        if setting is CONFIG:
            continue
        default = getattr(Settings(), setting.field)
        assert document[setting.key] == (
            "" if default is None else list(default) if isinstance(default, tuple) else default
        )


def test_each_source_goes_before_the_next(tmp_path: Path) -> None:
    (tmp_path / "my.cnf").write_text("[client]\nuser=from_options\nport=3301\nhost=h1\npassword=p1\n", "utf-8")
    (tmp_path / "my.cnf").chmod(0o600)
    (tmp_path / "club.toml").write_text(
        "defaults_file = 'my.cnf'\nuser = 'from_file'\nport = 3302\ninterval = 5\nhost = 'h2'", "utf-8"
    )
    environment = {
        "MEOSBACKUP_CONFIG": str(tmp_path / "club.toml"), "MEOSBACKUP_PORT": "3303", "MEOSBACKUP_HOST": "h3",
        "USER": "no setting",
    }  # fmt: skip
    settings = load({"host": "h4", "user": ""}, environment, None)
    assert (settings.host, settings.port, settings.user, settings.password) == ("h4", 3303, "from_file", "p1")
    assert settings.interval == 5


def test_config_by_flag_goes_before_the_variable(tmp_path: Path) -> None:
    settings = from_file(tmp_path, "days = 7", MEOSBACKUP_CONFIG=str(tmp_path / "none.toml"))
    assert settings.days == 7


@pytest.mark.parametrize(
    ("flags", "environment", "text", "said"),
    [
        ({"interval": 0}, {}, "", "--interval is '0'; it must be a whole number of seconds from 1 to 86400."),
        ({}, {"MEOSBACKUP_DAYS": "three"}, "",
         "MEOSBACKUP_DAYS is 'three'; it must be a whole number of days from 0 to 36500."),
        ({}, {"MEOSBACKUP_ANY_DISK": "maybe"}, "", "MEOSBACKUP_ANY_DISK is 'maybe'; it must be true or false."),
        ({"ssl_mode": "SURE"}, {}, "", "--ssl-mode is 'SURE'; it must be PREFERRED, REQUIRED or DISABLED."),
        ({}, {"MEOSBACKUP_TARGETS": "/x"}, "",
         "MEOSBACKUP_TARGETS is not a setting; the nearest is MEOSBACKUP_TARGET."),
        ({}, {}, "interval = -5", "FILE: interval is -5; it must be a whole number of seconds from 1 to 86400."),
        ({}, {}, "intervall = 5", "FILE: intervall is not a setting; the nearest is interval."),
        ({}, {}, "config = 'x'", "FILE: config is not a setting; the nearest is "),
        ({}, {}, "[server]\nhost = 'x'", "FILE: [server] is not a setting; settings stand outside of any [group]."),
        ({"quiet": True}, {}, "defaults_file = 'my.cnf'",
         "OPTIONS: port is 'many'; it must be a whole number from 1 to 65535."),
        ({"port": 3307}, {}, "port = '3306'", "FILE: port is '3306'; it must be a whole number from 1 to 65535."),
        ({"port": 3307}, {"MEOSBACKUP_PORT": "x"}, "",
         "MEOSBACKUP_PORT is 'x'; it must be a whole number from 1 to 65535."),
        ({"quiet": True, "verbose": True}, {}, "", "--quiet and --verbose can't be used together."),
    ],
)  # fmt: skip
def test_a_fault_names_its_source_and_what_is_right(
    tmp_path: Path, flags: dict[str, object], environment: dict[str, str], text: str, said: str
) -> None:
    options_file, config = tmp_path / "my.cnf", tmp_path / "club.toml"
    options_file.write_text("[client]\nport=many\n", "utf-8")
    options_file.chmod(0o600)
    config.write_text(text, "utf-8")
    found = fault(flags, environment, config).replace(str(config), "FILE").replace(str(options_file), "OPTIONS")
    assert found.startswith(said)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("interval = '60'", "interval is '60'"),
        ("interval = true", "interval is true"),
        ("interval = 60.0", "interval is 60.0"),
        ("interval = 0x" + "f" * 9999, "interval is (a huge number)"),
        ("quiet = 1", "quiet is 1"),
        ("quiet = 'true'", "quiet is 'true'"),
        ("user = 5", "user is 5"),
        ("target = true", "target is true"),
        ("race = 'Stafett'", "race is 'Stafett'"),
        ("race = ['Stafett', 5]", "race is ['Stafett', 5]"),
        ("race = ['']", "race is ['']"),
        ("days = 2026-11-22", "days is 2026-11-22"),
        ("[days]", "days is (a group)"),
        ('host = "\\u001b[31m\\u0000"', "host is '\\x1b[31m\\x00'"),
        ("password = 12345", "password is (not shown)"),
        ('target = "E:\\temp"', "target is 'E:\\temp'"),
        ("target = '~no-such-user/x'", "target is '~no-such-user/x'"),
    ],
)
def test_a_value_of_the_wrong_type(tmp_path: Path, text: str, shown: str) -> None:
    assert fault_of_file(tmp_path, text).startswith(f"FILE: {shown}; it must be ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("interval = \n", "(at line 1, column 12)"),
        ("days = 3\ntarget = E:/meos", "(at line 2, column 10)"),
        ("interval = " + "9" * 5000, "digits"),
        ("race = " + "[" * 5000, "recursion"),
    ],
)
def test_a_file_that_is_not_toml(tmp_path: Path, text: str, said: str) -> None:
    found = fault_of_file(tmp_path, text)
    assert found.startswith("FILE is not TOML: ")
    assert said in found
    assert "Windows" not in found


@pytest.mark.parametrize(
    "text", [r'target = "E:\meos"', 'target = "E:\\"', 'target = "E:\\"\ndays = 3', r'target = "C:\Users\me"']
)
def test_backslashes_in_double_quotes_are_explained(tmp_path: Path, text: str) -> None:
    assert "write a Windows path in '…', or with / for each" in fault_of_file(tmp_path, text)


def test_a_config_file_that_cant_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"days = 3\nuser = '\xe5'")
    for name, said in [
        ("none.toml", "none.toml can't be read (No such file or directory)."),
        ("", "can't be read (it is a folder)."),
        ("latin.toml", f"latin.toml, line 2: not in UTF-8; {SAVE_AS_UTF8}."),
    ]:
        assert fault({}, {}, tmp_path / name).endswith(said)
    found = fault({}, {"MEOSBACKUP_CONFIG": "~no-such-user/x"}, None)
    assert found.startswith("MEOSBACKUP_CONFIG is '~no-such-user/x'; it must be a file")
    found = fault({"defaults_file": tmp_path / "none.cnf"}, {}, None)
    assert re.search(r"option file .*none\.cnf can't be used: No such file", found)


def test_a_file_saved_by_notepad(tmp_path: Path) -> None:
    assert from_file(tmp_path, "\ufeffdays = 5\r\nrace = ['Långdistans']\r\n").races == ("Långdistans",)


def test_a_password_is_never_repeated(tmp_path: Path) -> None:
    secret = "hunter\udce5two"
    assert fault({}, {"MEOSBACKUP_PASSWORD": secret}, None).startswith("MEOSBACKUP_PASSWORD is (not shown); it must")
    assert "hunter" not in fault({}, {"MEOSBACKUP_PASWORD": secret}, None)
    assert "hunter" not in fault_of_file(tmp_path, "password = ['hunter']")
    assert "hunter" not in fault_of_file(tmp_path, "pasword = 'hunter'")
    assert "hunter" not in repr(load({}, {"MEOSBACKUP_PASSWORD": "hunter"}, None))
    (tmp_path / "my.cnf").write_text("[client]\npassword=hunter\0\n", "utf-8")
    (tmp_path / "my.cnf").chmod(0o600)
    found = fault({"defaults_file": tmp_path / "my.cnf"}, {}, None)
    assert found.startswith(f"{tmp_path / 'my.cnf'}: password is (not shown); it must be a text")


def test_a_password_is_never_an_argument() -> None:
    with pytest.raises(click.NoSuchOption):
        load({"password": "hunter"}, {}, None)


def test_variables_that_are_no_text() -> None:
    with pytest.raises(WrongUsageError, match="MEOSBACKUP_USER"):
        load({}, {"MEOSBACKUP_USER": "m\udce5os"}, None)


def test_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    environment = at_home(home)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "club.toml").write_text(
        "target = 'stick'\nspool = '~/spool'\nmysqldump = 'mariadb-dump'\nmysql = './mysql'", "utf-8"
    )
    settings = load({"log_file": "log.txt"}, environment, Path("../club.toml"))
    assert (settings.spool, settings.log_file) == (home / "spool", tmp_path / "here" / "log.txt")
    assert settings.target is not None
    assert settings.target.resolve() == tmp_path.resolve() / "stick"
    assert settings.mysqldump == "mariadb-dump"
    assert Path(settings.mysql or "").resolve() == tmp_path.resolve() / "mysql"
    found = load({"target": Path("~")}, {**environment, "MEOSBACKUP_SPOOL": "~/s"}, None)
    assert found == Settings(target=home, spool=home / "s")


def test_a_drive_letter_is_the_whole_drive() -> None:
    assert rooted(PureWindowsPath("E:")) == PureWindowsPath("E:/")
    assert rooted(PureWindowsPath("e:meos/x")) == PureWindowsPath("e:/meos/x")
    for path in (PureWindowsPath("E:/meos"), PureWindowsPath("meos"), PureWindowsPath("//nas/share/x")):
        assert rooted(path) == path
    assert rooted(PurePosixPath("E:")) == PurePosixPath("E:")


@pytest.mark.parametrize("arguments", [r'E:" --once', r'E:\My Stick" --once', r'\\server\share" --once', 'e:"'])
def test_what_windows_makes_of_a_quoted_path_that_ends_with_a_backslash(arguments: str) -> None:
    found = fault({"target": arguments}, {}, None)
    assert found.startswith(f'--target is {arguments}: Windows takes \\" for a quotation mark')
    assert r"write --target E:\ without quotation marks" in found


def test_texts_of_variables() -> None:
    settings = load(
        {},
        {
            "MEOSBACKUP_RACE": "Långdistans; Stafett dag 2 ;", "MEOSBACKUP_SKIP_UNCHANGED": "No",
            "MEOSBACKUP_PORT": " 3307 ", "MEOSBACKUP_USER": "", "MEOSBACKUP_CONFIG": "", "MEOSBACKUP_NONE": "",
            "MEOSBACKUP_REHEARSE_EVERY": "30 min", "MEOSBACKUP_SSL_MODE": "required",
        },
        None,
    )  # fmt: skip
    assert settings == Settings(
        races=("Långdistans", "Stafett dag 2"),
        skip_unchanged=False,
        port=3307,
        rehearse_every=1800,
        ssl_mode="REQUIRED",
    )


@pytest.mark.parametrize(
    "one", ["quiet = true\nverbose = true", "ask_password = true\npassword = 'x'", "race = ['x']\nall_races = true"]
)
def test_contradictions(tmp_path: Path, one: str) -> None:
    found = fault_of_file(tmp_path, one)
    assert found.endswith(" can't be used together.")
    assert "'x'" not in found


def test_a_higher_source_ends_a_contradiction(tmp_path: Path) -> None:
    (tmp_path / "club.toml").write_text("quiet = true\npassword = 'x'\nrace = ['a']", "utf-8")
    flags = {"verbose": True, "ask_password": True, "all_races": True}
    settings = load(flags, {}, tmp_path / "club.toml")
    assert settings == Settings(verbose=True, ask_password=True, all_races=True)


SOCKET = Path("/s").absolute()


@pytest.mark.parametrize(
    ("flags", "text", "expected"),
    [
        ({}, f"socket = '{SOCKET}'", Settings(socket=SOCKET)),
        ({}, f"socket = '{SOCKET}'\nport = 3307", Settings(socket=SOCKET, port=3307)),
        ({}, f"socket = '{SOCKET}'\nhost = 'db'", Settings(host="db")),
        ({"host": "db"}, f"socket = '{SOCKET}'", Settings(host="db")),
        ({"port": 3307}, f"socket = '{SOCKET}'\nhost = 'localhost'", Settings(port=3307)),
        ({"socket": SOCKET}, "host = 'db'\nport = 3307", Settings(socket=SOCKET)),
    ],
)
def test_a_socket_never_stands_in_for_the_server_that_was_named(
    tmp_path: Path, flags: dict[str, object], text: str, expected: Settings
) -> None:
    (tmp_path / "club.toml").write_text(text, "utf-8")
    assert load(flags, {}, tmp_path / "club.toml") == expected


scalars = st.one_of(
    st.booleans(), st.integers(), st.floats(), st.text(), st.text("~/\\E:.\0\n"),
    st.dates(), st.times(), st.datetimes(),
)  # fmt: skip
documents = st.dictionaries(
    st.one_of(st.sampled_from(KEYS), st.text()),
    st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5),
)


def toml(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return '"' + "".join(f"\\U{ord(letter):08x}" for letter in value) + '"'
        case list():
            return f"[{', '.join(toml(item) for item in value)}]"
        case dict():
            return f"{{{', '.join(f'{toml(key)} = {toml(item)}' for key, item in value.items())}}}"
        case _:
            return str(value)


@hypothesis_settings(deadline=None)
@given(documents)
def test_any_document_gives_settings_or_its_faults(document: dict[str, object]) -> None:
    text = "\n".join(f"{toml(key)} = {toml(value)}" for key, value in document.items())
    assert tomllib.loads(text).keys() == document.keys()
    assert_settings_or_faults(text.encode())


@hypothesis_settings(deadline=None)
@given(st.one_of(st.binary(), st.text("ab='\"\\[]{}#\n.0-:T+_").map(str.encode)))
@example(b"a = 99999-99-99")
def test_any_file_gives_settings_or_its_faults(content: bytes) -> None:
    assert_settings_or_faults(content)


def outcome(environment: dict[str, str], config: Path | None) -> Settings | WrongUsageError:
    try:
        return load({}, environment, config)
    except WrongUsageError as error:
        return error


def assert_settings_or_faults(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "club.toml"
        path.write_bytes(content)
        result = outcome({}, path)
    if not isinstance(result, Settings):
        assert result.what.startswith((str(path), "The option file"))
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", result.what)


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_any_variables_give_settings_or_their_faults(texts: dict[str, str]) -> None:
    result = outcome({f"MEOSBACKUP_{key.upper()}": text for key, text in texts.items()}, None)
    if isinstance(result, Settings):
        assert (result.user, result.password) == (texts.get("user") or "meos", texts.get("password") or None)
    else:
        assert result.what.startswith(("MEOSBACKUP_", "The option file"))


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    path = tmp_path / ".my.cnf"
    path.write_text("[mysql]\nuser=anna\n[client]\nuser=other\npassword=p0\nport=3300\n", "utf-8")
    path.chmod(0o600)
    return path


def test_the_users_own_option_file_is_the_last_source(tmp_path: Path, own_file: Path) -> None:
    found = load({"host": "h1"}, at_home(tmp_path), None)
    assert (found.user, found.password, found.host, found.port) == ("anna", "p0", "h1", 3300)
    for flags in ({"user": "meos"}, {"ask_password": True}):
        assert load(flags, at_home(tmp_path), None).port == 3306
    for variable, value in (("PASSWORD", "x"), ("USER", "meos")):
        assert load({}, {**at_home(tmp_path), f"MEOSBACKUP_{variable}": value}, None).port == 3306
    assert load({}, {**at_home(tmp_path), "MEOSBACKUP_ASK_PASSWORD": "no"}, None).user == "anna"


def test_an_option_file_that_names_nobody_leaves_the_users_own_to_do_so(tmp_path: Path, own_file: Path) -> None:
    named = tmp_path / "club.cnf"
    named.write_text("[client]\nport=3301\n", "utf-8")
    found = load({"defaults_file": named}, at_home(tmp_path), None)
    assert (found.user, found.port) == ("anna", 3301)
    named.write_text("[meosbackup]\nuser=meos\n", "utf-8")
    found = load({"defaults_file": named}, at_home(tmp_path), None)
    assert (found.user, found.port) == ("meos", 3306)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such right")
def test_an_own_option_file_that_everyone_may_write_is_left_out_and_told(
    tmp_path: Path, own_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_file.chmod(0o666)
    assert load({}, at_home(tmp_path), None).user == "meos"
    assert f"The option file {own_file} can't be used: everyone can change it" in caplog.text
    assert "meosbackup continues without it" in caplog.text


@pytest.mark.parametrize(
    ("variable", "name"),
    [("APPDATA", "my.ini"), ("APPDATA", "MySQL/my.cnf"), ("USERPROFILE", ".my.cnf"), ("WINDIR", "my.ini"),
     ("SYSTEMDRIVE", "my.cnf")],
)  # fmt: skip
def test_the_places_of_windows(tmp_path: Path, own_file: Path, variable: str, name: str) -> None:
    place = tmp_path / "there" / name
    place.parent.mkdir(parents=True)
    own_file.rename(place)
    environment = {"APPDATA": str(tmp_path), "HOME": str(tmp_path), variable: str(tmp_path / "there")}
    assert own_files(environment, "win32") == [place]
    assert own_files(environment, "linux") == []


def test_on_windows_the_users_own_folders_come_first_then_the_file_that_overrides_for_mysql(tmp_path: Path) -> None:
    places = ["appdata/my.ini", "appdata/MySQL/my.ini", "profile/.my.cnf", "c/my.cnf", "c/my.ini", "windows/my.ini"]
    for name in places:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    folders = {"APPDATA": "appdata", "USERPROFILE": "profile", "WINDIR": "windows", "SYSTEMDRIVE": "c"}
    environment = {variable: str(tmp_path / folder) for variable, folder in folders.items()}
    assert own_files(environment, "win32") == [tmp_path / name for name in places]
