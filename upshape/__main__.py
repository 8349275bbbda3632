"""``python -m upshape``: the command line."""

import sys

from upshape.cli import main

if __name__ == "__main__":
    sys.exit(main())
