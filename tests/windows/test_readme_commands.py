"""README's commands for Windows, each run as it stands in a Command Prompt, on a stick that is drive E:.

Only the names of the server, the folder and the time are those of the test.
"""

import re

from meosbackup.mysql.private_server import PrivateServer
from tests.toolkit.readme import SHOWN, WINDOWS, commands, kind
from tests.toolkit.windows import Windows, WindowsPlace
from tests.toolkit.windows_day import readme_helps, type_and_answer


def test_race_day(machine: Windows, server: PrivateServer, named_drive: WindowsPlace) -> None:
    for command in commands("Race day", WINDOWS):
        screen = type_and_answer(machine, server, named_drive, command)
        assert re.search(SHOWN[kind(command)], screen), screen
        assert "FAIL" not in screen


def test_when_something_goes_wrong(
    machine: Windows, server: PrivateServer, spare: PrivateServer, named_drive: WindowsPlace
) -> None:
    readme_helps(machine, server, spare, named_drive)
