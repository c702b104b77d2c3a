"""5,000 small requests with a batch of one second: `lanewise run` against the official SDK by hand.

python benchmarks/small_runs.py [--requests 5000] [--rounds 5]
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from measuring import environment, measured, paired, show, stub_provider, write_requests

BY_HAND = """
import sys, time
from openai import OpenAI
client = OpenAI(max_retries=0)
file = client.files.create(file=open(sys.argv[1], "rb"), purpose="batch")
batch = client.batches.create(
    input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
)
while batch.status not in ("completed", "failed", "expired", "cancelled"):
    time.sleep(0.2)
    batch = client.batches.retrieve(batch.id)
client.files.content(batch.output_file_id).write_to_file(sys.argv[2])
"""


def main() -> None:
    """Paired rounds, each in a process of its own from start to exit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="lanewise-small-"))
    try:
        source, out = folder / "in.jsonl", folder / "out.jsonl"
        write_requests(source, chosen.requests, size=300)
        with stub_provider(1.0) as url:
            env = environment(folder / "home", url, LANEWISE_POLL_SECONDS="0.2")

            def ours() -> float:
                shutil.rmtree(folder / "home", ignore_errors=True)
                command = [
                    sys.executable,
                    "-m",
                    "lanewise",
                    "run",
                    str(source),
                    "-o",
                    str(out),
                    "--yes",
                ]
                used = measured(command, env)
                assert used.status == 0, used
                return used.wall

            def default_polls() -> float:
                shutil.rmtree(folder / "home", ignore_errors=True)
                command = [
                    sys.executable,
                    "-m",
                    "lanewise",
                    "run",
                    str(source),
                    "-o",
                    str(out),
                    "--yes",
                ]
                plain = {key: value for key, value in env.items() if key != "LANEWISE_POLL_SECONDS"}
                return measured(command, plain).wall

            def by_hand() -> float:
                used = measured([sys.executable, "-c", BY_HAND, str(source), str(out)], env)
                assert used.status == 0, used
                return used.wall

            mine, default, theirs = paired(chosen.rounds, ours, default_polls, by_hand)
        show(
            f"{chosen.requests:,} small requests, a batch of 1 s, medians of {chosen.rounds} rounds",
            [
                ("official SDK by hand, polls every 0.2 s", f"{theirs:.2f} s"),
                ("lanewise run, polls every 0.2 s", f"{mine:.2f} s"),
                ("lanewise run, its own poll intervals", f"{default:.2f} s"),
                ("difference at equal polls", f"{mine - theirs:+.2f} s"),
            ],
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
