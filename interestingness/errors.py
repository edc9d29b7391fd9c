"""Errors for users: each says what was found, what was expected and what to do next."""


class InterestingnessError(Exception):
    """Base of every error that a user can act upon; its message is printed without a traceback."""

    exit_code = 2
    """Exit status of the command that it ends."""

    def __init__(self, found: str, *, expected: str = "", todo: str = "") -> None:
        """Compose one message of up to three lines.

        Args:
            found: what was found, with the name of the file, column or value.
            expected: what would have been right.
            todo: what to do next, if possible a command or an option.
        """
        self.found, self.expected, self.todo = found, expected, todo
        lines = [found]
        if expected:
            lines.append(f"  expected: {expected}")
        if todo:
            lines.append(f"  what to do: {todo}")
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the parts, so that the error can be passed between processes."""
        return _rebuild, (type(self), self.found, self.expected, self.todo)


def _rebuild(
    kind: type[InterestingnessError], found: str, expected: str, todo: str
) -> InterestingnessError:
    return kind(found, expected=expected, todo=todo)


class DataError(InterestingnessError):
    """A table, list of pairs, split or image store violates its format."""


class LabelError(InterestingnessError):
    """Labels are missing, impossible or of the wrong kind."""


class ImageError(InterestingnessError):
    """One image cannot be used; readers count such images and continue."""


class ImageTooLargeError(ImageError):
    """An image has more pixels than may be decoded."""


class ShardError(InterestingnessError):
    """A shard or its manifest is damaged or does not match."""


class WeightsError(InterestingnessError):
    """Pretrained weights or a checkpoint are absent, wrong or refused."""


class ConfigError(InterestingnessError):
    """Options contradict each other, or an option does not exist."""


class DiskError(InterestingnessError):
    """A file or folder cannot be written or read: the disk is full, or does not allow it."""
