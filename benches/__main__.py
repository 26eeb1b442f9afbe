"""Run the bench: ``python -m benches``."""

import sys

from benches.run import main

sys.exit(main())
