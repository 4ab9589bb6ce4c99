"""Which URLs, certificates, tokens and proxies a request meets, and what is told of those that lead nowhere."""

from __future__ import annotations

import json
import subprocess

import pytest
from tests.capture.listening import wait_for
from tests.ports import free_port

from watchglass.capture import sender
from watchglass.capture.sender import Sender
from watchglass.errors import BadInput


def test_a_prefix_a_token_and_ipv6(waiting, listening, send, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_TOKEN", "s3cret")
    waiting.segment(lines=1)
    server = listening(host="::1")
    send(f"{server.url}/watchglass/")
    wait_for(waiting.empty)
    path, headers, _ = server.requests[0]
    assert path == "/watchglass/api/v1/events?times=us"
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Host"] == server.url.removeprefix("http://")


def test_https_with_a_certificate_that_the_system_knows_and_not_without(
    waiting, listening, send, tmp_path, monkeypatch, caplog
):
    pem = tmp_path / "both.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    both = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert")]
    subprocess.run([*made, *both], check=True, capture_output=True)
    pem.write_bytes((tmp_path / "key").read_bytes() + (tmp_path / "cert").read_bytes())
    waiting.segment()
    server = listening(certificate=pem)
    one = send(server.url)
    wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text)
    assert server.requests == []
    one.close(0)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert"))
    send(server.url)
    wait_for(waiting.empty)
    assert server.ids() == waiting.ids


def test_a_proxy_of_the_environment_is_not_used(waiting, listening, send, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    waiting.segment()
    server = listening()
    send(server.url)
    wait_for(waiting.empty)


def test_asking_for_one_thing(listening, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_TOKEN", "s3cret")
    server = listening()
    status, headers, body = sender.get(f"{server.url}/wg/", "/api/v1/settings", {"If-None-Match": '"0"'}, 5)
    assert (status, headers["etag"], json.loads(body)) == (200, '"1"', {"path": "/wg/api/v1/settings"})
    assert server.asked[0][1]["If-None-Match"] == '"0"'
    assert server.asked[0][1]["Authorization"] == "Bearer s3cret"
    with pytest.raises(OSError, match="refused"):
        sender.get(f"http://127.0.0.1:{free_port()}", "/api/v1/settings", {}, 1)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://", "http://host:port"),
        ("ftp://host", "http://host:port"),
        ("http://host:port", "http://host:port"),
        ("http://host:99999", "http://host:port"),
        ("http://[::1", "http://host:port"),
        ("http://ana:secret@host", "setting 'token'"),
        ("http://host/?a=1", "a query"),
    ],
)
def test_a_url_that_leads_nowhere_is_told(url, says):
    with pytest.raises(BadInput, match=says) as caught:
        Sender(url, "/nowhere")
    assert "secret" not in str(caught.value)


def test_a_token_that_no_header_can_carry_is_told_without_showing_it(monkeypatch):
    monkeypatch.setenv("WATCHGLASS_TOKEN", "pass\nword")
    with pytest.raises(BadInput, match="no HTTP header can carry") as caught:
        Sender("http://host", "/nowhere")
    assert "word" not in str(caught.value)
