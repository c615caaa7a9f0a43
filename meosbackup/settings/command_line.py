"""A command of meosbackup as a person can paste it, with the options that lead to the same drive and server."""

import shlex
import subprocess
import sys

from meosbackup.settings.model import Settings
from meosbackup.settings.options import SETTINGS, Setting
from meosbackup.settings.value_types import SWITCH
from meosbackup.text import unbroken

_GROUPS = frozenset({"target", "server"})
_OTHERS = frozenset({"config", "spool"})
_OF_A_DAY = frozenset({"standby", "adopt_standby"})


def command(settings: Settings, *words: str) -> str:
    """Return a command line: `meosbackup`, these words, and the options of drive, server and spool that were set.

    It is quoted for the shells of this platform, without a password, and is never broken over two lines.
    """
    others = _OTHERS if words and words != ("--once",) else _OTHERS | _OF_A_DAY
    wanted = [setting for setting in SETTINGS if setting.group in _GROUPS or setting.key in others]
    by_socket = {"host", "port"} if settings.socket else set()
    options = [part for setting in wanted if setting.key not in by_socket for part in _option(setting, settings)]
    arguments = ["meosbackup", *words, *options]
    return unbroken(subprocess.list2cmdline(arguments) if sys.platform == "win32" else shlex.join(arguments))


def _option(setting: Setting, settings: Settings) -> list[str]:
    value = getattr(settings, setting.field)
    if value == getattr(Settings, setting.field):
        return []
    return [setting.option] if setting.kind is SWITCH else [setting.option, str(value)]
