"""What can go wrong, worded for the volunteer in the tent."""


class MeosBackupError(Exception):
    """Trouble that a user can meet: what happened, what it means for the data, what to do.

    The three parts are sentences, shown in this order. `exit_code` is the program's exit code if the trouble ends it.
    """

    exit_code = 1

    def __init__(self, what: str, means: str, do: str) -> None:
        super().__init__(f"{what} {means} {do}")
        self.what = what
        self.means = means
        self.do = do


class WrongUsageError(MeosBackupError):
    """The command line, a setting or the target is wrong."""

    exit_code = 2


class NoBackupsError(WrongUsageError):
    """The target is not a drive with backups."""


class TryAgainError(MeosBackupError):
    """Something that may pass: the server can't be reached, or the drive is missing."""

    exit_code = 75


class ServerUnreachableError(TryAgainError):
    """The server doesn't answer, or no longer answers."""


class DriveGoneError(TryAgainError):
    """The drive is missing."""


class DriveFullSoonError(MeosBackupError):
    """The drive has room for less than an hour."""


class DriveFailedError(MeosBackupError):
    """The drive is there, but can't be read or written as it should."""


class LoginRefusedError(MeosBackupError):
    """The server refuses the user or the password."""


class PrivilegeMissingError(MeosBackupError):
    """The user may log in, but is missing a privilege that a backup needs."""


class RaceListMissingError(MeosBackupError):
    """The server has no race list (no database `meosmain`)."""


class NoRaceError(MeosBackupError):
    """There is a race list, but no race to back up."""


class ProgramMissingError(MeosBackupError):
    """A program of MySQL or MariaDB isn't there, or doesn't run."""


class RaceGoneError(MeosBackupError):
    """The server has no database for a race that is on the list."""


class DumpFailedError(MeosBackupError):
    """The dump program failed, or didn't write a good dump."""


class UnfitProgramError(DumpFailedError):
    """The dump program needs something that this server doesn't have, and no option prevents that."""


class BadBatchError(MeosBackupError):
    """A `batch.json` can't be trusted."""


class PageUnavailableError(MeosBackupError):
    """The live page can't be served."""


class SpareServerError(MeosBackupError):
    """The spare server can't be brought up to date."""


class StoppedError(Exception):
    """Work was given up because the user asked to stop; not a failure, and never shown."""


def unexpected(
    error: Exception, what: str, means: str, *, kind: type[MeosBackupError] = MeosBackupError
) -> MeosBackupError:
    """Return an unexpected error as a `kind`, in words: `what` hit it; `means` says what that means for the data."""
    return kind(
        f"{what} hit an unexpected error ({type(error).__name__}: {error}).",
        means,
        "The log file has the details: please report them.",
    )
