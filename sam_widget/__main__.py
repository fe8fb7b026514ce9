"""`python -m sam_widget` is the `sam-widget` command."""

import sys

from sam_widget.cli.cli import main

sys.exit(main())
