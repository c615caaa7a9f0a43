"""The settings of the spare server, and those of a day on which the two servers have changed places."""

from dataclasses import replace

from meosbackup.settings.model import Address, Settings


def server(settings: Settings, address: Address) -> Settings:
    """Return the settings for the spare server at this address; the race server's login counts where none is set."""
    user, password = settings.standby_user, settings.standby_password
    return replace(
        settings, host=address.host, port=address.port, socket=None, defaults_file=None,
        user=settings.user if user is None else user, password=settings.password if password is None else password,
        standby=None, adopt_standby=False,
    )  # fmt: skip


def swapped(settings: Settings) -> Settings:
    """Return the settings of a day that backs up the spare server, and keeps the old race server as the spare one."""
    spare = settings.standby or Address(settings.host, settings.port)
    old = Address(settings.host, settings.port)
    return replace(settings, host=spare.host, port=spare.port, socket=None, standby=old, adopt_standby=True)
