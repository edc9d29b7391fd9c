"""Errors of the ledger; each carries the exit status that scripts can act upon (``sysexits.h``)."""

from interestingness.errors import InterestingnessError


class LedgerError(InterestingnessError):
    """The ledger cannot be used as asked."""


class LedgerBusyError(LedgerError):
    """Another process writes to it: try again later."""

    exit_code = 75


class LedgerStorageError(LedgerError):
    """The disk is full or failing, or the file is damaged."""

    exit_code = 74
