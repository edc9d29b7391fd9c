"""Which addresses are public."""

from __future__ import annotations

import pytest

from interestingness.datasets.download.addresses import (
    AddressRefusedError,
    checked_url,
    host_of,
    is_public,
    redirected,
)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1", "172.16.3.4",
        "192.168.0.1", "100.64.0.1", "169.254.169.254", "fe80::1%eth0", "fd00::1", "::",
        "224.0.0.1",
        "255.255.255.255", "ff02::1", "2002:a00:1::", "64:ff9b::a00:1", "64:ff9b::7f00:1",
        "2001:db8::1", "240.0.0.1",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(address)
    loopback = address in {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"}
    assert is_public(address, loopback=True) == loopback


def test_urls_and_redirects() -> None:
    assert checked_url(" https://c1.staticflickr.com/1/2_3.jpg ") == (
        "https://c1.staticflickr.com/1/2_3.jpg"
    )
    assert redirected("http://a.org/x/y.jpg", "../z.jpg") == "http://a.org/z.jpg"
    assert redirected("https://a.org/x", "//b.org/y") == "https://b.org/y"
    with pytest.raises(AddressRefusedError, match="neither http nor https"):
        redirected("http://a.org/", "file:///etc/passwd")
    assert host_of("HTTPS://A.org/x") == "a.org:443" and host_of("http://a.org:8/") == "a.org:8"
