"""``python -m minilab.cli``: the command line without its script on the PATH."""

from minilab.cli import main

main()
