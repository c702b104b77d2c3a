"""What the gateway adds to a call: processor time, latency and memory, against the same upstream directly.

    python benchmarks/gateway [--rounds 5] [--litellm VENV] [--ferrogw VENV] [--portkey FOLDER]

Upstream, gateways and load are processes of this machine; rounds of all sides are taken in turn, so that
noise hits all alike. CPU is that of the gateway's own processes. lanewise has 50 keys, and checks them, reads
usage and writes its ledger; "with limits" is called with a key that has a budget and rates. Other gateways
are left out where no folder is given; `rivals.py` says how each is installed.
"""

from __future__ import annotations

import argparse
import ssl
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from load import Load, Side, measure
from rivals import ferrogw, litellm, portkey
from running import Keys, lanewise, process

HERE: Final = Path(__file__).parent
RIVALS: Final = {"litellm": litellm, "ferrogw": ferrogw, "portkey": portkey}
ONE: Final = Load("JSON of 1 KB", 1, 1_000)
MANY: Final = Load("JSON of 1 KB", 32, 250)
STREAMS: Final = Load("Streams of 51 events", 32, 20, stream=True)
PACED: Final = Load("Paced streams, 51 events 20 ms apart", 400, 4, stream=True, pause_ms=20)
TLS: Final = Load("JSON of 1 KB, TLS to the upstream", 1, 1_000)
WAITS: Final = Load("JSON of 1 KB that can wait, until 202", 256, 20)
POLLS: Final = "x-lanewise-deadline: 24h\r\nprefer: respond-async\r\n"
OTHERS: Final = ("accept.py", "waiters.py", "upload.py")


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for the loopback address, and its key."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=x"
    )
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(cert), "-keyout", str(key)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return cert, key


def sides(stack: ExitStack, scratch: Path, folders: dict[str, Path | None]) -> list[Side]:
    """Every way to the upstream without TLS."""
    script = [sys.executable, str(HERE / "upstream.py")]
    _, url = stack.enter_context(process(script, {}, at="stdout"))
    found = [Side("direct", url)]
    for name in (
        "lanewise",
        "lanewise, with limits",
    ):  # a process each: who has limits counts tokens
        home = str(scratch / name)
        keys = Keys.made(home)
        pid, address = stack.enter_context(lanewise(home, f"{url}/v1"))
        key = keys.plain if name == "lanewise" else keys.limited
        found.append(Side(name, address, pid, key))
    for name, folder in folders.items():
        if folder is None:
            print(f"{name} is left out: no --{name}", file=sys.stderr)
        else:
            found.append(stack.enter_context(RIVALS[name](folder, url, scratch)))
    return found


def tls_sides(stack: ExitStack, scratch: Path) -> list[Side]:
    """The same where the upstream speaks TLS; callers speak it to the upstream, and not to the gateway."""
    cert, key = certificate(scratch)
    script = [sys.executable, str(HERE / "upstream.py"), str(cert), str(key)]
    _, url = stack.enter_context(process(script, {}, at="stdout"))
    home = str(scratch / "tls-home")
    keys = Keys.made(home)
    started = lanewise(home, f"{url}/v1", {"SSL_CERT_FILE": str(cert)})
    pid, address = stack.enter_context(started)
    trusting = ssl.create_default_context(cafile=str(cert))
    return [Side("direct", url, tls=trusting), Side("lanewise", address, pid, keys.plain)]


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["calls", "others"], help="a part of it")
    for name in RIVALS:
        parser.add_argument(f"--{name}", type=Path, help="where it is installed")
    options = parser.parse_args()
    if options.only != "others":
        with ExitStack() as stack, tempfile.TemporaryDirectory() as scratch:
            folders = {name: getattr(options, name) for name in RIVALS}
            found = sides(stack, Path(scratch), folders)
            for load in (MANY, STREAMS, ONE):
                measure(load, found, options.rounds)
            measure(PACED, found[:2], 1)
            later = replace(found[1], name="lanewise, written to disk", headers=POLLS)
            measure(WAITS, [later], options.rounds)
            measure(TLS, tls_sides(stack, Path(scratch)), options.rounds)
    if options.only != "calls":
        for script in OTHERS:
            print(f"\n{script}\n", flush=True)
            subprocess.run([sys.executable, str(HERE / script)], check=True)


if __name__ == "__main__":
    main()
