"""`python -m dgm_tfp` is `dgm-tfp`."""

import sys

from dgm_tfp_cli import main

sys.exit(main())
