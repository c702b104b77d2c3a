"""The connection goes to the address that was checked, to whom can prove to be the host, and no further."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lanewise.app import webhooks as app
from lanewise.app.webhooks import NewWebhook
from lanewise.errors import BadInput
from lanewise.lanes.receiver import Receivers, require_reachable, resolve
from lanewise.policy.notifying import Heard
from lanewise.policy.reaching import Inside

Make = Callable[..., Any]
HERE = Inside.of(["127.0.0.0/8"])


class Names:
    """Says what hosts stand for, one answer after another; counts how often it was asked."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def told(receivers: Receivers, url: str) -> Heard:
    try:
        return await receivers.tell(url, {"webhook-id": "msg_1"}, b"{}")
    finally:
        await receivers.close()


async def test_a_host_that_means_another_machine_later_is_not_called(receiver: Make) -> None:
    """DNS rebinding: public when it is registered, inside when it is called."""
    hook = receiver()
    names = Names(["93.184.215.14"], ["127.0.0.1"])
    url = f"https://rebound.example:{hook.port}/"
    require_reachable(url, Inside(), names)
    heard = await told(Receivers(Inside(), names), url)
    assert heard.status is None
    assert "is inside" in heard.why
    assert hook.got == []


async def test_the_host_is_looked_up_once_and_the_call_goes_to_what_was_found(
    receiver: Make,
) -> None:
    """The system knows no such host: a second look-up would fail, or find what was not checked."""
    hook = receiver()
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    url = f"http://hook.invalid:{hook.port}/path?a=1"
    assert await told(Receivers(HERE, names), url) == Heard(204)
    assert names.asked == 1
    [got] = hook.got
    assert got.head == "POST /path?a=1 HTTP/1.1"
    assert got.headers["host"] == f"hook.invalid:{hook.port}"


async def test_of_several_addresses_one_that_is_not_there_is_passed_over(receiver: Make) -> None:
    hook = receiver()
    names = Names(["127.0.0.2", "127.0.0.1"])
    assert await told(Receivers(HERE, names), f"http://x.invalid:{hook.port}/") == Heard(204)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    heard = await told(Receivers(HERE, names), f"http://x.invalid:{port}/")
    assert heard == Heard(None, "the call failed (ConnectError)")


async def test_a_redirect_is_not_followed_and_is_no_delivery(receiver: Make) -> None:
    inside = receiver()
    for code in (301, 302, 303, 307, 308):
        reply = f"HTTP/1.1 {code} X\r\nlocation: {inside.url}\r\ncontent-length: 0\r\n\r\n"
        assert await told(Receivers(HERE), receiver(reply.encode()).url) == Heard(code)
    assert inside.got == []


async def test_proxies_of_the_environment_are_not_asked(
    receiver: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, proxy = receiver(), receiver()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    assert await told(Receivers(HERE), hook.url) == Heard(204)
    assert proxy.got == []


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:127.0.0.1]", "localhost"]
)
def test_no_way_to_write_this_machine_gets_by(host: str) -> None:
    with pytest.raises(BadInput, match=r"is inside|has no address"):
        require_reachable(f"https://{host}/", Inside())


def test_a_host_that_is_none_has_no_addresses() -> None:
    assert resolve("nothing.invalid", 443) == []
    assert resolve("x" * 80 + ".invalid", 443) == []


def test_what_points_inside_is_not_registered_and_leaves_nothing_behind(home: Any) -> None:
    for url, names in (
        ("https://169.254.169.254/latest/meta-data", resolve),
        ("https://hook.example/", Names(["10.0.0.1"])),
        ("http://hook.example/", Names(["8.8.8.8"])),
    ):
        with pytest.raises(BadInput, match="it takes https://HOST"):
            app.add(home.engine, "", NewWebhook(name="hook", url=url), names)
    assert home.store.webhooks() == []


# -- TLS ----------------------------------------------------------------------------------------------
@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for hook.invalid with its key, in one file."""
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("there is no openssl here to make a certificate with")
    file = tmp_path / "own.pem"
    subprocess.run(
        [
            openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", file,
            "-out", f"{file}.crt", "-subj", "/CN=hook.invalid", "-addext", "subjectAltName=DNS:hook.invalid",
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file


async def test_a_receiver_has_to_prove_that_it_is_the_host_that_was_registered(
    certificate: Path, receiver: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook, names = receiver(certificate=certificate), Names(["127.0.0.1"])
    failed = Heard(None, "the call failed (ConnectError)")
    assert await told(Receivers(HERE, names), f"https://hook.invalid:{hook.port}/") == failed
    monkeypatch.setenv("SSL_CERT_FILE", f"{certificate}.crt")
    assert await told(Receivers(HERE, names), f"https://hook.invalid:{hook.port}/") == Heard(204)
    assert await told(Receivers(HERE, names), f"https://other.invalid:{hook.port}/") == failed
    assert len(hook.got) == 1
