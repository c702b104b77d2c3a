"""Check a FOCUS export with the FinOps Foundation's own validator, offline.

    python3.12 scripts/validate_focus.py focus.csv [--environment DIR]

For maintainers: it needs Python 3.12 and installs focus-validator 2.2.1 (about 650 MB) into a virtual
environment of its own, the first time. One failure is expected: InvoiceId-C-005-C contradicts
InvoiceId-C-004-C in that version (an id that must be null and must not be). Exit code 1 for any other.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import venv
from pathlib import Path

EXPECTED = {"InvoiceId-C-005-C"}
WANTED = (
    "focus-validator==2.2.1",
    "pyarrow<22",
)  # numpy 1.26 is pinned, which newer pyarrow refuses
VERSION = "1.2.0.1"


def main() -> int:
    """Print what passed and what failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("export", type=Path)
    parser.add_argument("--environment", type=Path, default=Path(".focus-validator"))
    arguments = parser.parse_args()
    if sys.version_info < (3, 12):
        parser.error("the validator needs Python 3.12 or newer; run this with python3.12")
    report = validate(arguments.export.absolute(), environment(arguments.environment.absolute()))
    passed = set(re.findall(r"^✅ ([\w-]+): PASS", report, re.MULTILINE))
    failed = set(re.findall(r"^❌ ([\w-]+): FAIL", report, re.MULTILINE))
    if not passed:
        print(report)
        return 1
    # a rule that only gathers others fails with them: the leaves are what to look at
    leaves = {name for name in failed if not re.search(rf"{name}: (AND|OR) failed", report)}
    print(f"{len(passed)} rules passed, {len(leaves)} failed: {', '.join(sorted(leaves)) or '-'}")
    surprising = leaves - EXPECTED
    for name in sorted(surprising):
        print("\n".join(line for line in report.splitlines() if name in line))
    return 1 if surprising else 0


def environment(folder: Path) -> Path:
    """The validator's own virtual environment, made if it is not there."""
    if not (folder / "bin/focus-validator").exists():
        venv.create(folder, with_pip=True)
        subprocess.run([folder / "bin/pip", "install", "--quiet", *WANTED], check=True)
    return folder


def validate(export: Path, folder: Path) -> str:
    """The validator's report."""
    [packages] = (folder / "lib").glob("python3.*/site-packages")
    command = [
        folder / "bin/focus-validator", "--data-file", export, "--validate-version", VERSION,
        "--block-download",
    ]  # fmt: skip
    # it reads a list of currencies by a path relative to where it is installed
    done = subprocess.run(command, cwd=packages, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


if __name__ == "__main__":
    sys.exit(main())
