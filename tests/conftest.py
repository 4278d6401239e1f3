"""Settings of all tests: no deadlines, and a real browser for pages, where there is one."""

import os
import shutil

import hypothesis
import pytest

from glomspike.batch.process import prepare_process

if (processes := os.environ.get("PYTEST_XDIST_WORKER_COUNT")) is not None:
    # Tests that run side by side share the cores.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // int(processes))))
prepare_process()  # as the command is, before any test imports PyTorch

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a file without a network; the test fails on any error of the page, and on any other address."""
    troubles, contexts = [], []

    def watch(page):
        page.on("console", lambda message: troubles.append(message.text) if message.type != "log" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(dialog.message))
        page.on("request", lambda request: _check_address(request.url, troubles))

    def opened(path, width=1400, height=900, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        watch(page)
        page.goto(path.as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert troubles == []


def _check_address(url, troubles):
    if not url.startswith(("file:", "data:")):
        troubles.append(f"asked for {url}")
