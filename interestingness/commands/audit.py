"""``interestingness audit``: files of votes → tables and one page. No images, no torch."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from interestingness.commands.options import Options, said_of_votes
from interestingness.datasets.vote_tables import read_vote_files
from interestingness.errors import ConfigError
from interestingness.reports.console import print_report
from interestingness.reports.page import write_report
from interestingness.schema import DEFAULT_QUESTION
from interestingness.studies.audit import audit_votes


def audit(given: Options) -> None:
    """Read, audit, write, print.

    Raises:
        InterestingnessError: for votes that cannot be read or are unusable.
    """
    files = read_vote_files(given.votes, default_question=DEFAULT_QUESTION, **said_of_votes(given))
    result = audit_votes(
        files.table,
        files.pairs,
        question=files.question,
        where=", ".join(given.votes),
        images_known=files.images_known,
        notes=files.notes,
        simulated=files.simulated,
    )
    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = Path(given.out or f"runs/{now}_audit").expanduser()
    settings = {"votes": given.votes, "question": files.question}
    try:
        page = write_report(folder, result, picture=lambda _: None, settings=settings)
    except OSError as error:
        raise ConfigError(
            f"{folder}: cannot be written to ({error.strerror or error})",
            expected="a folder, or a name for a new one",
            todo="name another one with --out",
        ) from None
    for note in files.notes:
        print(f"note: {note}")
    print_report(result, page=page)
