"""`python -m glomspike` is the command."""

from glomspike.cli import main

if __name__ == "__main__":
    main()
