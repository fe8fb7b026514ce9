"""Run the `sam-widget` command as `python -m sam_widget`."""

import sys

from sam_widget.cli.cli import main

sys.exit(main())
