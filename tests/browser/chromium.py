"""Find a Chromium to test with: `python tests/browser/chromium.py` prints its path; `--install` gets one first."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from playwright.sync_api import sync_playwright

# In the order of preference; the last is where macOS keeps it.
NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
ADVICE = "no Chromium was found; install one: `apt-get install chromium`, or `python -m playwright install chromium`"


def find() -> str | None:
    """The path of a Chromium that starts: the system's, or else Playwright's own."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    for name in (*NAMES, own):
        path = shutil.which(name)
        if path and starts(path):
            return path
    return None


def starts(path: str) -> bool:
    """Whether the program runs: Ubuntu's chromium package is a stub without snap."""
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def is_root() -> bool:
    """Whether packages can be had from apt."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def install() -> None:
    """Get a Chromium from the system's packages or, where that cannot be, from Playwright."""
    if is_root() and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        packages = ["chromium", "fonts-liberation"]
        for command in (["apt-get", "update"], ["apt-get", "install", "--yes", "--no-install-recommends", *packages]):
            subprocess.run(command, env=environment, check=False)
    if find() is None:
        dependencies = ["--with-deps"] if is_root() else []
        subprocess.run([sys.executable, "-m", "playwright", "install", *dependencies, "chromium"], check=False)


def main() -> int:
    """Print the path.

    Returns:
        The exit status: 1 without Chromium.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--install", action="store_true", help="install Chromium if it is missing")
    wanted = parser.parse_args().install
    path = find()
    if path is None and wanted:
        install()
        path = find()
    print(path or ADVICE)
    return int(path is None)


if __name__ == "__main__":
    sys.exit(main())
