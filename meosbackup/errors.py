"""What can go wrong, in words for the person in the tent."""


class MeosBackupError(Exception):
    """Trouble that a user can meet: what happened, what it means for the data, what to do.

    The three parts are sentences, shown in this order. `exit_code` is what the program ends with where the
    trouble ends it.
    """

    exit_code = 1

    def __init__(self, what: str, means: str, do: str) -> None:
        super().__init__(f"{what} {means} {do}")
        self.what = what
        self.means = means
        self.do = do


class WrongUsageError(MeosBackupError):
    """The command line, the settings or the target are not what they should be."""

    exit_code = 2


class TryAgainError(MeosBackupError):
    """Nothing is wrong for good: the server can't be reached, or the drive is away."""

    exit_code = 75


class ServerUnreachableError(TryAgainError):
    """The server doesn't answer, or stopped answering."""


class DriveGoneError(TryAgainError):
    """The drive is not where it was."""


class DriveFailedError(MeosBackupError):
    """The drive is there, and doesn't take or give what it should."""


class LoginRefusedError(MeosBackupError):
    """The server answers, and knows no such user with that password."""


class RightMissingError(MeosBackupError):
    """The user may log in, and may not do what a backup needs."""


class RaceListMissingError(MeosBackupError):
    """The server has no race list (no database `meosmain`)."""


class ProgramMissingError(MeosBackupError):
    """A program of the MySQL or MariaDB family isn't there, or doesn't run."""


class DumpFailedError(MeosBackupError):
    """The dump program failed, or what it wrote is not a good dump."""


class UnfitProgramError(DumpFailedError):
    """The dump program asks a server for what it hasn't, and no option keeps it from that."""


class BadBatchError(MeosBackupError):
    """A `batch.json` that can't be trusted."""


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
