"""``python -m leakdiff``."""

import sys

from leakdiff.cli import main

sys.exit(main())
