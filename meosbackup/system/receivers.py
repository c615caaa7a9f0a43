"""What takes messages for people: phones, mailboxes, desktops …, through Apprise, which only they need."""

import logging
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from meosbackup.errors import WrongUsageError
from meosbackup.text import clean

if TYPE_CHECKING:
    import apprise

log = logging.getLogger(__name__)

_NOTHING = "Nothing was backed up."
_INSTALL = (
    '`pipx install --force "meosbackup[notify]"`, `uv tool install "meosbackup[notify]"` or'
    ' `pip install "meosbackup[notify]"` (in meosbackup\'s own folder, ".[notify]" instead)'
)
_READ_SECONDS = 20.0
"""How long a receiver may take to answer. Apprise gives up after 4 s; what arrived all the same would come twice."""

_NAME_WIDTH = 60

Mood = Literal["failure", "warning", "info", "success"]


@dataclass(frozen=True)
class Message:
    """A message in plain text; its mood is what a receiver may give it a colour or a symbol for."""

    title: str
    body: str
    mood: Mood


@dataclass(frozen=True)
class Receiver:
    """A receiver, by a name that holds no secret."""

    name: str
    _apprise: "apprise.Apprise"

    def take(self, message: Message) -> bool:
        """Send a message, and return whether it was taken; a receiver that doesn't answer takes a while."""
        try:
            is_taken = bool(
                self._apprise.notify(
                    message.body, message.title, notify_type=message.mood, body_format="text"
                )
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing arrived
            is_taken = False
            log.warning("%s: %s", self.name, type(error).__name__)  # without its text, which may hold the URL
        log.info("%s %s the message %s", self.name, "took" if is_taken else "didn't take", message.title)
        return is_taken


def find(urls: Sequence[str]) -> tuple[Receiver, ...]:
    """Return the receivers that the Apprise URLs lead to.

    Raises WrongUsageError if Apprise isn't installed, or can't use a URL. Of a URL only its scheme is ever told, since
    the rest may hold a password.
    """
    if not urls:
        return ()
    try:
        import apprise  # noqa: PLC0415 - a quarter of a second, and not everybody has it
    except ImportError as error:
        raise _missing() from error
    logging.getLogger("apprise").disabled = True  # it tells URLs
    warnings.filterwarnings("ignore", module="urllib3")  # as of a certificate that the user said not to check
    asset = apprise.AppriseAsset(
        app_id="meosbackup", app_desc="meosbackup", app_url="", image_url_mask="", image_url_logo="",
        # With a limit of its own, Apprise would send from threads that the program's end waits for.
        service_timeout=0,
    )  # fmt: skip
    plugins = []
    for number, url in enumerate(dict.fromkeys(urls), 1):
        plugin = apprise.Apprise.instantiate(url, asset=asset)
        if plugin is None:
            raise _unknown(number, url)
        plugin.socket_read_timeout = max(plugin.socket_read_timeout, _READ_SECONDS)
        plugins.append(plugin)
    names = [_name(plugin) for plugin in plugins]
    return tuple(
        Receiver(name if names.count(name) == 1 else f"{name} (URL {number})", apprise.Apprise(plugin, asset=asset))
        for number, (name, plugin) in enumerate(zip(names, plugins, strict=True), 1)
    )


def _name(plugin: "apprise.NotifyBase") -> str:
    """Return the service's name, and its host where that is one: some services have a token in its place."""
    name = str(plugin.service_name)
    is_host = plugin.host and all("{host}" in form for form in map(str, plugin.templates))
    return clean(f"{name} at {plugin.host}" if is_host else name, _NAME_WIDTH)


def _missing() -> WrongUsageError:
    if getattr(sys, "frozen", False):
        do = f"Use meosbackup with Python, installed by {_INSTALL}, or remove notify from the settings."
        return WrongUsageError("notify is set, but meosbackup.exe can't send messages.", _NOTHING, do)
    what = "notify is set, but Apprise, which sends the messages, is not installed."
    return WrongUsageError(what, _NOTHING, f"Install it with {_INSTALL}, or remove notify from the settings.")


def _unknown(number: int, url: str) -> WrongUsageError:
    scheme, mark, _ = url.strip().partition("://")
    begins = f", which begins with {clean(scheme, 20)}://" if mark and scheme.isalnum() else ", which has no ://"
    return WrongUsageError(
        f"Apprise can't use URL {number} of notify{begins}.",
        _NOTHING,
        "Correct it: https://appriseit.com/services/ says how each service's URL is written, and which package it may"
        " need. Then try it with `meosbackup check --notify`.",
    )
