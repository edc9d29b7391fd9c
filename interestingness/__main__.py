"""``python -m interestingness …`` is ``interestingness …``."""

from interestingness.cli import main

if __name__ == "__main__":
    main()
