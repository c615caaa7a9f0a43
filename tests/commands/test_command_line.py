"""The command line: each option where it makes sense, the same in --help, README and config.example.toml."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from meosbackup.cli import COMMANDS, cli
from meosbackup.commands.common import races_asked
from meosbackup.settings.options import CONFIG, FILE_ONLY, SETTINGS, Setting, SettingOption
from tests.toolkit.runs import run_meosbackup

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
READING = ("status", "list", "verify", "rehearse", "restore", "export")


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name) if name else cli
    assert found is not None
    return found


def options(name: str) -> dict[str, click.Option]:
    """Return the options of a command that --help shows; "" is race day."""
    found = (param for param in command(name).params if isinstance(param, click.Option) and not param.hidden)
    return {param.opts[0]: param for param in found if param.name != "version"}


def readme_options() -> dict[str, str]:
    """Return each option of README's table with the word for its value, if it takes one."""
    table = re.split(r"\n\n", README.partition("<!-- the options -->\n")[2])[0]
    return dict(re.findall(r"`(--[a-z-]+) ?([][A-Z:]*)`", "\n".join(line.split("|")[1] for line in table.splitlines())))


def test_readme_has_every_option_of_every_command() -> None:
    offered = {
        opt: "" if param.is_flag else str(param.metavar)
        for name in ("", *COMMANDS) for opt, param in options(name).items()
    }  # fmt: skip
    assert readme_options() == offered


@pytest.mark.parametrize("setting", [one for one in SETTINGS if one.group != FILE_ONLY], ids=lambda one: one.key)
def test_readme_tells_the_default(setting: Setting) -> None:
    option = options("")[setting.option]
    [row] = re.findall(rf"^\|.*`{setting.option}[ `].*$", README, re.MULTILINE)
    assert option.show_default or option.multiple
    if not option.is_flag and not option.multiple and setting is not CONFIG and option.default is not None:
        assert str(option.default) in row


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda one: one.key)
def test_each_setting_has_its_option_and_its_variable(setting: Setting) -> None:
    for name in ("", *COMMANDS):
        [param] = [p for p in command(name).params if isinstance(p, SettingOption) and p.setting is setting]
        assert param.envvar == f"MEOSBACKUP_{setting.key.upper()}"
    if setting.group == FILE_ONLY:
        assert setting.option not in options("")
    else:
        assert options("")[setting.option].help


@pytest.mark.parametrize("name", READING)
def test_what_reads_batches_takes_the_options_of_race_day(name: str) -> None:
    expected = {setting.option for setting in SETTINGS if setting.group in ("target", "server", "programs", "common")}
    assert expected <= options(name).keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_begins_with_its_line_in_the_list(name: str) -> None:
    assert (command(name).help or "").splitlines()[0] == COMMANDS[name]
    assert "Example:  meosbackup " in (command(name).help or "")


def listed(folder: Path, *arguments: str | Path, env: dict[str, str] | None = None) -> str:
    """Return what `meosbackup`, called with `list` on an empty drive, prints and ends with."""
    (folder / "meosbackup").mkdir(exist_ok=True)
    result = run_meosbackup(*arguments, env={"MEOSBACKUP_LOG_FILE": str(folder / "log"), **(env or {})})
    return f"{result.returncode} {result.stdout}{result.stderr}"


def test_an_option_may_stand_before_the_name_of_a_command(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    assert listed(tmp_path, "--target", tmp_path, "--host", "db", "list").startswith("1 meosbackup: There is no batch")
    said = listed(tmp_path, "--target", tmp_path / "away", "list", "--target", tmp_path)
    assert said.startswith("1 meosbackup: There is no batch")
    said = listed(tmp_path, "--target", tmp_path, "list", env={"MEOSBACKUP_TARGET": str(tmp_path / "away")})
    assert said.startswith("1 meosbackup: There is no batch")
    assert "2 meosbackup: --quiet and --verbose can't be" in listed(tmp_path, "--quiet", "list", "--verbose")


def test_a_race_before_the_name_of_a_command_is_what_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEOSBACKUP_RACE", "Natt-DM")  # which races are backed up, not which are restored
    for before, own, expected in [
        (["--race", "Höst"], (), ("Höst",)), (["--race", "Höst"], ("Stafett",), ("Stafett",)), ([], (), ()),
    ]:  # fmt: skip
        with (
            cli.make_context("meosbackup", [*before, "export"]) as parent,
            command("export").make_context("export", [], parent=parent),
        ):
            assert races_asked(own) == expected


def test_the_file_of_a_command_goes_before_that_of_the_variable(tmp_path: Path) -> None:
    config = tmp_path / "club.toml"
    config.write_text("target = '.'", "utf-8")
    missing = {"MEOSBACKUP_CONFIG": str(tmp_path / "none.toml")}
    assert listed(tmp_path, "list", "--config", config, env=missing).startswith("1 meosbackup: There is no batch")
    assert listed(tmp_path, "--config", config, "list", env=missing).startswith("1 meosbackup: There is no batch")
    assert "none.toml can't be read" in listed(tmp_path, "list", env=missing)


def test_help_works_whatever_the_settings_are(tmp_path: Path) -> None:
    wrong = {"MEOSBACKUP_INTERVAL": "x", "MEOSBACKUP_CONFIG": str(tmp_path / "none.toml")}
    for arguments in (["--help"], ["list", "--help"], ["--version"]):
        assert listed(tmp_path, *arguments, env=wrong).startswith("0 ")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["status"], ["list"], ["verify"], ["export"]])
def test_nothing_is_imported_that_a_command_does_not_need(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "meosbackup").mkdir()
    options = [] if arguments[0].startswith("-") else ["--target", str(tmp_path), "--log-file", str(tmp_path / "log")]
    script = "import atexit, sys; from meosbackup.cli import main; atexit.register(lambda: print(*sys.modules)); main()"
    result = subprocess.run(
        [sys.executable, "-c", script, *arguments, *options], capture_output=True, text=True, check=False, timeout=60
    )
    imported = set(result.stdout.splitlines()[-1].split())
    assert "meosbackup.cli" in imported
    assert "mysql.connector" not in imported
    commands = {name for name in COMMANDS if f"meosbackup.commands.{name}" in imported}
    assert commands == {name for name in arguments if name in COMMANDS}
