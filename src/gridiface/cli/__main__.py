"""`python -m gridiface.cli` is the command line."""

from gridiface.cli.main import main

main()
