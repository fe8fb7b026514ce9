"""Users of a JupyterHub: a server follows the documentation of its API, and counts what it is asked."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from sam_widget.cli.cli import main
from sam_widget.errors import ModelError, SessionError
from sam_widget.predictor.served import connect
from sam_widget.serve import hub as module
from sam_widget.serve.hub import Hub, HubPeople
from tests.serve.test_app import client, picture, send
from tests.serving import TOKENS, serving

SCOPE = "access:services!service=sam"
# What the Hub says of each token.
USERS = {
    TOKENS["ada"]: {"kind": "user", "name": "ada", "admin": False, "scopes": ["read:users!user=ada", SCOPE]},
    TOKENS["bob"]: {"kind": "user", "name": "bob", "scopes": ["access:services"]},
    "eve-0123456789abcdef": {"kind": "user", "name": "eve", "scopes": ["access:services!service=other"]},
}


@contextmanager
def hub_process(users: dict[str, dict[str, object]]) -> Iterator[tuple[str, list[str]]]:
    """Answer as a Hub does; yields the address of its API, and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            found = users.get(self.headers.get("Authorization", "").removeprefix("token "))
            self.send_response(200 if found else 403)
            self.end_headers()
            self.wfile.write(
                json.dumps(found or {"status": 403, "message": "Missing or invalid credentials."}).encode()
            )

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hub/api", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def people(api: str) -> HubPeople:
    return HubPeople(Hub(api, (SCOPE, "access:services")))


def test_users_of_the_hub_are_served_under_their_names(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    with hub_process(USERS) as (api, asked), serving(people=people(api)) as address:
        digest = send(client(address), picture(1))
        assert client(address).get(f"v1/embeddings/{digest}?model=tiny&wait=30").status_code == 200
        assert client(address, "bob").get(f"v1/embeddings/{digest}?model=tiny").status_code == 404, "it is ada's"
        assert asked == ["/hub/api/user"] * 2, "once for each token"
        assert connect(f"{address}?token={TOKENS['bob']}").model.name == "tiny"
        for wrong in ("eve-0123456789abcdef", "nobody", "", "x\u732b", "x" * 5000):
            reply = httpx.get(f"{address}v1/models", params={"token": wrong}, trust_env=False)
            assert reply.status_code == 401
    assert any("/v1/embeddings ada" in record.getMessage() for record in caplog.records)
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert not any(token in line for token in USERS for line in ours)


def test_a_token_that_was_revoked_is_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    users = dict(USERS)
    with hub_process(users) as (api, _):
        known = people(api)
        assert known.whose(TOKENS["ada"]) == "ada"
        users.clear()
        assert known.whose(TOKENS["ada"]) == "ada"
        monkeypatch.setattr(module.time, "monotonic", lambda now=module.time.monotonic: now() + 61)
        assert known.whose(TOKENS["ada"]) is None


def test_a_hub_that_is_gone_lets_no_one_in_and_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    with hub_process(USERS) as (api, _):
        known = people(api)
    assert known.whose(TOKENS["ada"]) is None
    assert "does not say whose a token is" in caplog.text
    with hub_process({TOKENS["ada"]: {"nothing": "of use"}}) as (api, _):
        assert people(api).whose(TOKENS["ada"]) is None


def test_the_environment_of_a_service_is_read() -> None:
    told = {
        "JUPYTERHUB_API_URL": "http://127.0.0.1:8081/hub/api/",
        "JUPYTERHUB_SERVICE_NAME": "sam",
        "JUPYTERHUB_SERVICE_PREFIX": "/services/sam/",
        "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:9000",
        "JUPYTERHUB_OAUTH_ACCESS_SCOPES": f'["{SCOPE}"]',
    }
    hub = Hub.of_environment(told)
    assert hub == Hub("http://127.0.0.1:8081/hub/api", (SCOPE,), "/services/sam/", "127.0.0.1", 9000)
    few = Hub.of_environment({name: told[name] for name in ("JUPYTERHUB_API_URL", "JUPYTERHUB_SERVICE_NAME")})
    assert few.scopes == ("access:services", SCOPE)
    with pytest.raises(SessionError, match=r"\$JUPYTERHUB_API_URL and \$JUPYTERHUB_SERVICE_NAME are not set"):
        Hub.of_environment({})


def test_the_command_is_refused_outside_a_hub(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("JUPYTERHUB_API_URL", raising=False)
    assert main(["serve", "--jupyterhub"]) == 1
    assert "are not set; let the Hub start this command" in capsys.readouterr().err
    assert main(["serve", "--jupyterhub", "--people", "class.txt"]) == 1
    assert "exclude each other" in capsys.readouterr().err


def test_behind_a_proxy_all_paths_have_its_prefix() -> None:
    with serving(prefix="/services/sam/") as address:
        assert address.endswith("/services/sam/")
        assert connect(f"{address}?token={TOKENS['ada']}").model.name == "tiny"
        root = address.removesuffix("services/sam/")
        with pytest.raises(ModelError, match="nothing here"):
            connect(f"{root}?token={TOKENS['ada']}")
