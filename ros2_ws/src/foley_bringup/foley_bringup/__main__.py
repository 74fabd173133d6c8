"""``python -m foley_bringup`` is ``foley``."""

import sys

from foley_bringup.cli import main

sys.exit(main())
