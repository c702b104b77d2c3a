"""`lanewise sandbox serve`: the provider sandbox as a server."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.cli.options import home_option, settings_from


@click.group
def sandbox() -> None:
    """Run the built-in provider sandbox as a server.

    It speaks OpenAI's and Anthropic's APIs, answers without a key, and keeps its own books. It is for
    developing and testing: its answers are made up, and marked so.
    """


@sandbox.command
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8090, show_default=True)
@click.option(
    "--profile", type=click.Choice(["instant", "fast", "typical", "bad-day"]), help="Its timing."
)
@click.option("--speed", type=float, help="How much faster than real time its clock runs.")
@click.option("--batch-seconds", type=float, help="A fixed time for every batch instead.")
@click.option("--listing-lag", default=0.0, help="Seconds until a new batch shows in listings.")
@click.option("--faults", type=click.Path(path_type=Path), help="A fault script (TOML or JSON).")
@click.option("--directory", type=click.Path(path_type=Path), help="Where its state is kept.")
@home_option
def serve(
    *,
    host: str,
    port: int,
    profile: str | None,
    speed: float | None,
    batch_seconds: float | None,
    listing_lag: float,
    faults: Path | None,
    directory: Path | None,
    home: Path | None,
) -> None:
    """Serve until interrupted.

    Point any client at it: OPENAI_BASE_URL=http://127.0.0.1:8090/v1 OPENAI_API_KEY=any, or
    ANTHROPIC_BASE_URL=http://127.0.0.1:8090 ANTHROPIC_API_KEY=any. GET /sandbox/books is its invoice.
    """
    from lanewise.sandbox import SandboxConfig, load_faults
    from lanewise.sandbox import serve as serve_sandbox

    settings = settings_from(home)
    config = SandboxConfig(
        profile=profile or settings.sandbox_profile,
        speed=speed or 1.0,
        batch_seconds=batch_seconds,
        listing_lag_seconds=listing_lag,
        faults=load_faults(faults) if faults else (),
    )
    where = directory or settings.home / "sandbox-server"
    serve_sandbox(where, config, host, port, lambda text: click.echo(text, err=True))
