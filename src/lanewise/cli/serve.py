"""`lanewise serve`: the gateway."""

from __future__ import annotations

from pathlib import Path

import click

from lanewise.cli.options import engine_from, home_option


@click.command
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8080, show_default=True)
@click.option(
    "--provider", type=click.Choice(["sandbox"]), help="The built-in sandbox instead of providers."
)
@click.option("--no-worker", is_flag=True, help="Only serve; workers run elsewhere on this home.")
@home_option
def serve(
    *, host: str, port: int, provider: str | None, no_worker: bool, home: Path | None
) -> None:
    """Serve OpenAI- and Anthropic-shaped HTTP: pass calls through, and work on what is queued.

    Point any client at it: OPENAI_BASE_URL=http://127.0.0.1:8080/v1, or
    ANTHROPIC_BASE_URL=http://127.0.0.1:8080. The providers' own keys stay here.
    """
    from lanewise.gateway.serving import listen, open_parts
    from lanewise.gateway.serving import serve as serve_gateway

    with engine_from(home) as engine, open_parts(engine, host) as parts:
        sock = listen(host, port)
        address = f"http://{host}:{sock.getsockname()[1]}"
        click.echo(
            f"serving on {address} (OPENAI_BASE_URL={address}/v1, ANTHROPIC_BASE_URL={address})",
            err=True,
        )
        serve_gateway(engine, sock, parts, provider=provider, work=not no_worker)
