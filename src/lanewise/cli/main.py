"""The entry point: finds a command by name and loads only that one, so that `--help` is quick."""

from __future__ import annotations

import importlib
import sys
from typing import Final, NoReturn

import click

from lanewise.errors import LanewiseError

# name -> (module, what it does in one line); a test holds the lines against the commands' own help.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("run", "Answer a file of requests through the batch lane and write the results."),
    "estimate": ("estimate", "Say what requests would cost in each lane, before anything is sent."),
    "forecast": ("forecast", "Say when work will be done, and what that rests on."),
    "submit": ("submit", "Accept a file of requests durably and return at once."),
    "serve": (
        "serve",
        "Serve OpenAI- and Anthropic-shaped HTTP: pass calls through, and work on what is queued.",
    ),
    "worker": ("worker", "Drive everything that is open until it is answered."),
    "status": ("status", "Show runs, batches, workers and what happened."),
    "results": ("results", "Write the results of a run, in the order of its input."),
    "explain": ("explain", "Tell what happened to one request."),
    "cancel": ("cancel", "Stop a run; what is answered by then is kept."),
    "retry": ("retry", "Ask again what a finished run left unanswered."),
    "pause": ("pause", "Stop sending: the kill switch."),
    "resume": ("pause", "Go on sending after a pause."),
    "receipt": ("receipt", "Show what a run or a workflow cost and saved."),
    "audit": (
        "audit",
        "Read logs that are there already: what the traffic costs, who waits for it, what would cost less.",
    ),
    "simulate": (
        "simulate",
        "Replay logs under a policy: what it would have cost, and which deadlines it would have missed.",
    ),
    "calc": (
        "calc",
        "Calculate what a workload costs in a month of 30 days, in every lane its provider offers.",
    ),
    "savings": (
        "savings",
        "Show what was spent, what it would have cost in real time, and what was saved.",
    ),
    "ledger": ("ledger", "Show the ledger, or prove it from the stored results."),
    "reconcile": (
        "reconcile",
        "Compare the ledger with what a provider says it charged, day by day.",
    ),
    "export": ("export", "Write the ledger for FinOps tools."),
    "prices": (
        "prices",
        "Show what models cost in each lane, and keep the price book current.",
    ),
    "policy": ("policy", "Check the policy file, and explain what it says of a request."),
    "keys": ("keys", "Give out keys to the gateway, and say what each may do."),
    "webhooks": (
        "webhooks",
        "Say where to call when requests and batches that can wait have ended.",
    ),
    "clean": ("clean", "Delete bodies and answers past their retention."),
    "forget": ("clean", "Delete every body and answer of a workflow."),
    "backup": ("backup", "Copy the home consistently while workers go on."),
    "doctor": ("doctor", "Check the home, the settings and the credentials."),
    "quotas": ("quotas", "Show what providers have room for, what is used, and what waits for it."),
    "providers": ("providers", "Show providers, their lanes and their limits."),
    "sandbox": ("sandbox", "Run the built-in provider sandbox as a server."),
}


class Commands(click.Group):
    """A group that imports a command when it is called, not when it is listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"lanewise.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lanewise")
def cli() -> None:
    """Send LLM work that can wait through the cheapest lane that still arrives on time.

    Start with: lanewise run requests.jsonl -o results.jsonl --provider sandbox

    Exit codes: 0 all answered; 1 some refused or unanswered; 2 bad usage or input; 3 provider or
    store unusable; 4 refused by a budget or cap; 130 interrupted.
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line; errors are reported here, once."""
    try:
        code = cli.main(args=args, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Exit as ending:
        sys.exit(ending.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has seen enough
        sys.exit(0)
    except LanewiseError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
