"""`python -m wetread`."""

from wetread.cli.main import main

main()
