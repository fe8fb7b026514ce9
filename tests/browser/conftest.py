"""Fixtures for tests that a person could do by hand: a JupyterLab, a Chromium, a notebook in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import chromium
from tests.browser.lab import ARTIFACTS, TIMEOUT_MS, VIEWPORT, Desk, Lab, Notebook

HERE = Path(__file__).parent
# Above every wait in one test, so that the wait that took too long is what a failure names.
LIMIT_SECONDS = 600
# Playwright's own patience is five seconds.
expect.set_options(timeout=TIMEOUT_MS)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these tests, and run them last: Playwright leaves an event loop running that would break other tests."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.browser)
        item.add_marker(pytest.mark.timeout(LIMIT_SECONDS))
    items.sort(key=lambda item: item in ours)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium. A missing one is a failure: these tests are never skipped."""
    path = chromium.find()
    if path is None:
        pytest.fail(chromium.ADVICE)
    # Playwright's own arguments leave the sandbox off, as root must, and add to these.
    arguments = ["--disable-background-networking", "--disable-dev-shm-usage", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A JupyterLab of the tests' own."""
    server = Lab(tmp_path_factory.mktemp("lab"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def desk(browser: Browser, lab: Lab) -> Desk:
    """The page and the kernel that tests share."""
    return Desk(browser, lab)


@pytest.fixture
def notebook(desk: Desk, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook of these code cells: `notebook("import sam_widget as sw", ...)`."""
    yield from _lend(desk, request)


@pytest.fixture(scope="module")
def desk_without_torch(browser: Browser, lab: Lab) -> Iterator[Desk]:
    """The page that the tests of a module share, and a kernel whose first cells may hide libraries for good."""
    desk = Desk(browser, lab, "without_torch.ipynb")
    yield desk
    desk.clear()


@pytest.fixture
def notebook_without_torch(
    desk_without_torch: Desk, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Notebook]]:
    """As `notebook`, in the page and the kernel of `desk_without_torch`."""
    yield from _lend(desk_without_torch, request)


def _lend(desk: Desk, request: pytest.FixtureRequest) -> Iterator[Callable[..., Notebook]]:
    """Lend a desk to a test, and clear it if the test has failed."""
    failures = request.session.testsfailed
    yield desk.open
    if request.session.testsfailed > failures:
        desk.photograph(_artifact(request))
        desk.clear()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of the test's own, with storage of its own."""
    context = browser.new_context(viewport=VIEWPORT)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    failures = request.session.testsfailed
    yield page
    if request.session.testsfailed > failures:
        page.screenshot(path=_artifact(request))
    context.close()


def _artifact(request: pytest.FixtureRequest) -> Path:
    """Where the screenshot of a test that has failed is kept."""
    ARTIFACTS.mkdir(exist_ok=True)
    name = re.sub(r"[^-.\w]+", "_", request.node.name)
    return ARTIFACTS / f"{name}.png"
