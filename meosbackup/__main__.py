"""`python -m meosbackup`."""

from meosbackup.cli import main

if __name__ == "__main__":
    main()
