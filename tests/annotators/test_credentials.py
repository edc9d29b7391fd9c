"""Which key may go where, and that no message shows one."""

from __future__ import annotations

import pytest

from interestingness.annotators.credentials import host_of, is_loopback, read_key
from interestingness.annotators.redaction import kept_headers, redacted
from interestingness.errors import ConfigError

OPENAI = "https://api.openai.com/v1"


def key(variable: str | None, value: str, base_url: str, hosts: list[str]) -> str | None:
    secret = read_key(variable, base_url=base_url, hosts=hosts, environ={str(variable): value})
    return secret.reveal() if secret else None


@pytest.mark.parametrize(
    ("variable", "value", "base_url", "hosts"),
    [
        ("OPENAI_API_KEY", "sk-proj-abc", OPENAI, ["api.openai.com"]),
        ("OPENAI_API_KEY", "  sk-proj-abc\n", "https://eu.api.openai.com/v1", ["*.api.openai.com"]),
        ("OTHER_KEY", "sk-or-v1-abc", "https://openrouter.ai/api/v1", ["openrouter.ai"]),
        ("LOCAL_KEY", "abc", "http://127.0.0.1:8000/v1", ["127.0.0.1"]),
        ("LOCAL_KEY", "abc", "http://[::1]:8000/v1", ["::1"]),
    ],
)
def test_a_key_goes_to_its_host(variable: str, value: str, base_url: str, hosts: list[str]) -> None:
    assert key(variable, value, base_url, hosts) == value.strip()


@pytest.mark.parametrize(
    ("variable", "value", "base_url", "hosts", "says"),
    [
        ("OPENAI_API_KEY", "abc-secret", "https://judge.test/v1", ["judge.test"], "key of OpenAI"),
        ("OTHER", "sk-proj-secret", "https://judge.test/v1", ["judge.test"], "key of OpenAI"),
        ("OTHER", "sk-svcacct-secret", "http://127.0.0.1/v1", ["127.0.0.1"], "key of OpenAI"),
        ("OPENAI_API_KEY", "secret", "https://api.openai.com.evil.test", ["*.evil.test"], "OpenAI"),
        ("OPENAI_API_KEY", "secret", "https://evilapi.openai.com", ["*"], "key of OpenAI"),
        ("OTHER", "secret", "https://judge.test/v1", [], "may not go to judge.test"),
        ("OTHER", "secret", "https://judge.test/v1", ["other.test"], "may not go to judge.test"),
        ("OTHER", "secret", "http://judge.test/v1", ["judge.test"], "unencrypted"),
        ("OTHER", "secret\nX-Spy: 1", "https://judge.test/v1", ["judge.test"], "one key"),
        ("OTHER", "sécret", "https://judge.test/v1", ["judge.test"], "ASCII"),
        ("OTHER", " \n", "https://judge.test/v1", ["judge.test"], "has no OTHER"),
    ],
)
def test_a_key_does_not_go_elsewhere(
    variable: str, value: str, base_url: str, hosts: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        key(variable, value, base_url, hosts)
    assert "secret" not in str(caught.value)


def test_a_server_without_keys_needs_none() -> None:
    assert read_key(None, base_url="http://judge.test/v1", hosts=[], environ={}) is None


@pytest.mark.parametrize(
    "base_url",
    [
        "api.openai.com/v1",
        "ftp://x/v1",
        "https://",
        "https://[::1",
        "https://x:99999/v1",
        "https://user:word@x/v1",
        *(f"https://x/v1?a=1&{n}=word" for n in ("key", "api-key", "token", "sig", "code")),
        "https://x/v1#word",
    ],
)
def test_an_address_is_an_address(base_url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        host_of(base_url)
    assert "word" not in caught.value.found.replace("password", "")


@pytest.mark.parametrize(
    "query", ["?api-version=2024-10-21", "?api-version=preview&deployment=x", "?"]
)
def test_an_address_may_have_a_query(query: str) -> None:
    assert host_of(f"https://judge.test/openai/v1{query}") == "judge.test"


def test_this_machine_is_known_by_all_its_names() -> None:
    assert all(map(is_loopback, ["localhost", "127.0.0.1", "127.1.2.3", "::1"]))
    assert not any(map(is_loopback, ["192.168.0.1", "localhost.test", "0.0.0.0"]))


def test_texts_are_cleaned() -> None:
    said = "Incorrect key sk-abcdefgh12345 or\x1b[31m BEARER abc.def-ghi\n" + "x" * 500
    line = redacted(said, longest=300)
    assert line.startswith("Incorrect key sk-*** or [31m Bearer *** xxx")
    assert len(line) == 300
    assert redacted("desk-research\nsk-abcdef") == "desk-research\nsk-***"


def test_headers_that_are_kept_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_API_KEY", "very-private-value")
    headers = {"X-RateLimit-Reset": "1s", "Authorization": "Bearer a", "Set-Cookie": "b"}
    headers["X-Request-Id"] = "r-very-private-value"
    assert kept_headers(headers) == {"x-ratelimit-reset": "1s", "x-request-id": "r-***"}


def test_a_key_in_place_of_its_variable_is_refused_and_not_repeated() -> None:
    pasted = "sk-proj-0123456789abcdef"
    with pytest.raises(ConfigError, match="is no name of an environment variable") as error:
        read_key(pasted, base_url="https://a.example/v1", hosts=["a.example"], environ={})
    assert pasted not in str(error.value)
