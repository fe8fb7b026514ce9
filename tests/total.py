"""Add up JUnit reports: prints "total: N passed, N failed", and fails if a test failed or none ran."""

import sys
import xml.etree.ElementTree as ET
from pathlib import Path


def main(folder: str) -> int:
    """Print the total of every report in a folder.

    Returns:
        The exit status.
    """
    tests = failed = skipped = 0
    for report in sorted(Path(folder).glob("*.xml")):
        cases = ET.parse(report).getroot().findall(".//testcase")  # noqa: S314 - written by our own test runners
        names = {_name(case) for case in cases}  # a test that ran again is reported twice
        bad = len({_name(case) for case in cases if case.find("failure") is not None or case.find("error") is not None})
        omitted = len({_name(case) for case in cases if case.find("skipped") is not None})
        print(f"{report.stem}: {len(names) - bad - omitted} passed, {bad} failed, {omitted} skipped")
        tests, failed, skipped = tests + len(names), failed + bad, skipped + omitted
    passed = tests - failed - skipped
    print(f"total: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return int(failed > 0 or passed == 0)


def _name(case: ET.Element) -> tuple[str | None, str | None]:
    return case.get("classname"), case.get("name")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
