"""How long the command line takes to say something.

python benchmarks/startup.py [--rounds 9]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

from measuring import measured, paired, show


def main() -> None:
    """Paired with an interpreter that does nothing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    command = str(Path(sys.executable).parent / "lanewise")
    with tempfile.TemporaryDirectory() as home:
        env = os.environ | {"LANEWISE_HOME": home}
        nothing, shown, status, calc = paired(
            rounds,
            lambda: measured([sys.executable, "-c", "pass"], env).wall,
            lambda: measured([command, "--help"], env).wall,
            lambda: measured([command, "status"], env).wall,
            lambda: measured([command, "calc", "--model", "gpt-4o", "--in", "10M/day"], env).wall,
        )
    show(
        f"start-up, medians of {rounds} rounds",
        [
            ("python -c pass", f"{nothing * 1000:.0f} ms"),
            ("lanewise --help", f"{shown * 1000:.0f} ms"),
            ("lanewise status", f"{status * 1000:.0f} ms"),
            ("lanewise calc", f"{calc * 1000:.0f} ms"),
        ],
    )


if __name__ == "__main__":
    main()
