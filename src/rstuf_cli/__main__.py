"""`python -m rstuf_cli` is `rstuf`."""

import sys

from rstuf_cli.entry import main

if __name__ == "__main__":
    sys.exit(main())
