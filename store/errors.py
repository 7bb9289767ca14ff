"""What may be said to a user. The command line prints one line and exits with `status`; the app shows a toast."""

from __future__ import annotations


class Problem(Exception):
    """Something is wrong that the user can understand and mend. The message is one line: what is wrong, what would be
    right."""

    status = 1  # the exit status of a command that ends with it


class UsageProblem(Problem):
    """The words of the command, a form or a file are not of the form they should have."""

    status = 2


class StoreError(Problem):
    """The files under the home are not as they should be, or cannot be read or written."""


class DiskFull(StoreError):
    """There is no room left where the home lies. What was acknowledged before is whole."""


class UnknownRun(UsageProblem):
    """No run has this id, or several begin with it."""
