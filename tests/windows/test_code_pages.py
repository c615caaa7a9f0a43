"""Command Prompts of the code pages that Windows has had: what is shown, what is typed, and what goes into a file."""

from pathlib import Path

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.runs import run_meosbackup, server_options, told, with_password
from tests.toolkit.windows import ANSI, Windows, WindowsPlace, spelled

PROMPT = r"Z:\\[^>]*>"
CODE_PAGES = ("437", "850", "1252", "65001")


def test_a_command_prompt(machine: Windows, server: PrivateServer, place: WindowsPlace, tmp_path: Path) -> None:
    made: list[str | Path] = [
        "--target",
        place.target,
        "--any-disk",
        "--spool",
        place.spool,
        "--days",
        "36500",
        "--once",
    ]
    told(run_meosbackup(*made, *server_options(server), env=with_password()), 0)
    tool, folders = " ".join(spelled(part) for part in machine.tool), " ".join(place.folders)
    restore = f'{tool} restore {folders} {" ".join(server_options(server))} --race "Höstmedeln «Осень»"'
    with machine.console("cmd", folder=tmp_path) as screen:
        screen.wait_for(PROMPT)
        for number, code_page in enumerate(CODE_PAGES, start=1):
            screen.type(f"chcp {code_page}")
            screen.wait_for(f"code page: {code_page} {PROMPT}$")
            screen.type(restore)
            screen.wait_for("Höstmedeln «Осень» O'Cup [(].*Type yes and press Enter:$")
            is_last = code_page == CODE_PAGES[-1]
            screen.type("ДА" if is_last else "НЕТ")  # yes and no count in many languages
            screen.wait_for(f"each compared with the dump.*{PROMPT}$" if is_last else f"Nothing was done.*{PROMPT}$")
            screen.type(f"{tool} list {folders} > list{number}.txt")
            screen.wait_for(f"list{number}.txt {PROMPT}$")
        assert "Not understood" not in screen.words
        screen.type("exit")
        assert screen.wait_for_end()[0] == 0
    # Python writes files in the system's code page, whatever the console's is.
    for number in range(1, len(CODE_PAGES) + 1):
        listed = (tmp_path / f"list{number}.txt").read_bytes().decode(ANSI)
        assert "Höstmedeln «?????» O'Cup" in listed
        assert "Stafettkväll – Relais d'Été" in listed
