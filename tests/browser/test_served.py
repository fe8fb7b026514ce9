"""A server is killed and comes back: the view says who answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab import TIMEOUT_MS
from tests.browser.view import FACE, Open, View
from tests.serving import checkpoint

SHOW = """
import os, subprocess, sys
import sam_widget as sw

def serve(port):
    command = [sys.executable, "-m", "sam_widget", "serve", "--model", {file!r}, "--port", str(port), "--quiet"]
    environment = {{**os.environ, "SAM_WIDGET_TOKEN": "t" * 20}}
    server = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    return server, server.stdout.readline().strip()

server, address = serve(0)
predictor = {model}
server.kill()
server.wait()
w = sw.SamWidget(sw.sample("cat"), model=predictor)
w
"""


@pytest.mark.parametrize("model", ["sw.connect(address)", "address"])
def test_a_view_says_that_tiny_answers_meanwhile(notebook: Open, tmp_path: Path, model: str) -> None:
    """Whether or not the server had answered before the photo was opened."""
    opened = notebook(SHOW.format(file=str(checkpoint(tmp_path / "big.safetensors")), model=model))
    opened.run_all()
    view = View.of(opened)
    expect(view.status).to_contain_text("does not answer; tiny answers meanwhile.")
    view.click(*FACE)
    expect(view.candidates).to_have_count(3)
    expect(view.status).to_contain_text("by tiny")
    expect(view.status).to_contain_text("tiny answers meanwhile.")
    assert "t" * 20 not in view.root.inner_text()
    opened.run_cell("server, address = serve(address.split(':')[2].partition('/')[0])")
    expect(view.status).not_to_contain_text("tiny", timeout=TIMEOUT_MS)
    expect(view.candidates).to_have_count(3)
    opened.run_cell("server.kill(); server.wait()")
    # Its photo is embedded now.
    view.click(30, 60, modifiers=["Alt"])
    expect(view.status).not_to_contain_text("tiny")
