"""What a caller of recsys may catch.

    RecsysError (a ValueError)
    ├── InputError      a table given by the caller: columns, ids, times, nothing left
    ├── ConfigError     an option: unknown, out of range, or two that exclude each other
    ├── ArtifactError   a prepared folder, a run or a bundle: absent, damaged, of another version
    └── RejectedError   lists that are complete but worse than the limits set for them

Every message is one line that names the rule, the value that broke it and the remedy.
"""


class RecsysError(ValueError):
    """Something the user can mend; the command line prints it as one line and exits with 2."""


class InputError(RecsysError):
    """The interactions, items or lists given cannot be used as they are."""


class ConfigError(RecsysError):
    """An option has a value that the rest of the configuration does not allow."""


class ArtifactError(RecsysError):
    """A folder made by an earlier stage is missing, damaged or of another version."""


class RejectedError(RecsysError):
    """Lists that are complete but worse than the limits that were set for them."""
