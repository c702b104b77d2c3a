"""No webhook points inside, in whatever form its address hides that."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from lanewise.errors import BadInput
from lanewise.policy.reaching import ACCEPTED, Inside, checked, target_of

INSIDE = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "100.127.255.254", "192.0.2.1", "198.18.0.1", "192.88.99.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::7f00:1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:c0a8:101::1",
    "64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "64:ff9b:1::808:808",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "100::1", "4000::1",
]  # fmt: skip
OUTSIDE = [
    "93.184.215.14", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.32.0.1", "192.169.0.1",
    "2606:4700::1111", "64:ff9b::8.8.8.8", "2002:808:808::1", "::ffff:8.8.8.8",
]  # fmt: skip
HOST = target_of("https://hook.example/")


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused_with_what_is_accepted(address: str) -> None:
    with pytest.raises(BadInput) as refused:
        checked(HOST, [address], Inside())
    assert ACCEPTED in str(refused.value)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_public_internet_is_taken(address: str) -> None:
    assert checked(HOST, [address], Inside()) == [ip_address(address)]


def test_one_address_inside_spoils_a_host_and_so_does_having_none() -> None:
    with pytest.raises(BadInput, match="is inside"):
        checked(HOST, ["8.8.8.8", "10.0.0.1"], Inside())
    with pytest.raises(BadInput, match="no address"):
        checked(HOST, [], Inside())


@pytest.mark.parametrize(
    "url",
    [
        "", "example.org/hook", "//example.org", "ftp://example.org/", "file:///etc/passwd", "gopher://x/",
        "https://", "https:///hook", "https://user@example.org/", "https://user:pass@example.org/",
        "https://@example.org/", "https://example.org:0/", "https://example.org:99999/",
        "https://example.org:port/", "https://[fe80::1%25eth0]/", "https://[::1/", "https://exa mple.org/",
        "https://example.org/\r\nhost: x", "https://example.org\\@10.0.0.1/", "https://ex\u0430mple.org/",
        "https://example.org/#part", "https://example.org/" + "x" * 2_048, "https://%31%30.0.0.1/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(BadInput, match="it takes https://HOST"):
        target_of(url)


def test_http_is_for_loopback_where_that_is_allowed_and_for_nothing_else() -> None:
    here, there = target_of("http://127.0.0.1:9/"), target_of("http://example.org/")
    allowed = Inside.of(["127.0.0.0/8", "10.0.0.0/8"])
    assert checked(here, ["127.0.0.1"], allowed)
    for target, address in ((there, "8.8.8.8"), (there, "10.0.0.1")):
        with pytest.raises(BadInput, match="not https"):
            checked(target, [address], allowed)
    with pytest.raises(BadInput, match="is inside"):
        checked(here, ["127.0.0.1"], Inside())


def test_what_is_allowed_is_allowed_by_network_or_by_host_and_nothing_beside_it() -> None:
    by_network, by_host = Inside.of(["10.0.5.0/24", "fd12::/16"]), Inside.of(["Hook.Example"])
    assert checked(HOST, ["10.0.5.7", "fd12::1", "::ffff:10.0.5.8"], by_network)
    assert checked(HOST, ["10.9.9.9", "127.0.0.1"], by_host)
    for address, inside in (
        ("10.0.6.1", by_network), ("169.254.169.254", by_host), ("fe80::1", by_host),
        ("0.0.0.0", by_host), ("224.0.0.1", by_host),
    ):  # fmt: skip
        with pytest.raises(BadInput, match="is inside"):
            checked(HOST, [address], inside)
    with pytest.raises(BadInput, match="is inside"):
        checked(target_of("https://other.example/"), ["10.9.9.9"], by_host)


def test_the_call_goes_to_an_address_and_names_the_host() -> None:
    target = target_of("https://hook.example:8443/a?b=c")
    assert target.at(ip_address("8.8.8.8")) == "https://8.8.8.8:8443/a?b=c"
    assert target.at(ip_address("2606:4700::1")) == "https://[2606:4700::1]:8443/a?b=c"
    assert (target.authority, HOST.authority) == ("hook.example:8443", "hook.example")
    assert target_of("https://[2606:4700::1]/").authority == "[2606:4700::1]"
