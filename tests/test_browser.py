"""What a learner does first, in a real browser: open a notebook in JupyterLab, Run All, look.

Needs Debian's chromium and chromium-driver and the extra `browser`: `make browser`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minisd.course import notebooks as nb

pytestmark = pytest.mark.browser

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
HANG = 300  # seconds: a guard, no demand on speed


@pytest.fixture
def lab(tmp_path):
    """JupyterLab over copies of the notebooks whose outputs are gone: (address, their folder)."""
    copies = tmp_path / "notebooks"
    shutil.copytree(NOTEBOOKS, copies, ignore=shutil.ignore_patterns("my_minisd", ".ipynb_*"))
    for path in copies.glob("*.ipynb"):
        nb.write(nb.without_outputs(nb.read(path)), path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}",
        "--ServerApp.port_retries=0", "--IdentityProvider.token=", "--LabApp.news_url=None",
    ]  # fmt: skip
    folders = "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR", "MINISD_HOME"
    private = {name: str(tmp_path / name.lower()) for name in folders}
    private["JUPYTERLAB_WORKSPACES_DIR"] = str(tmp_path / "workspaces")
    with (tmp_path / "lab.log").open("w") as log:
        environment = {**os.environ, **private}
        server = subprocess.Popen(command, cwd=copies, env=environment, stdout=log, stderr=log)
        yield f"http://127.0.0.1:{port}/lab/tree", copies
        server.terminate()
        server.wait(60)


@pytest.fixture
def browser(tmp_path):
    """Chromium without a window."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in (
        "headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu",
        "window-size=1400,1000", f"user-data-dir={tmp_path / 'profile'}",
    ):  # fmt: skip
        options.add_argument(f"--{argument}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield driver
    driver.quit()


def wait_for(condition, what):
    """Ask until it is true; a page that is just being built may answer with an exception."""
    from selenium.common.exceptions import WebDriverException

    end, last = time.monotonic() + HANG, None
    while time.monotonic() < end:
        try:
            if value := condition():
                return value
        except WebDriverException as error:
            last = error
        time.sleep(0.5)
    pytest.fail(f"{what}: not within {HANG} seconds. {last or ''}")


def test_run_all_shows_the_report(lab, browser, tmp_path):
    address, folder = lab
    path = next(folder.glob("01_*.ipynb"))

    def find(selector):
        return browser.find_elements("css selector", selector)

    def open_page():
        browser.get(f"{address}/{path.name}")
        return True

    def outputs():
        return [element.text for element in find(".jp-Notebook .jp-OutputArea-output")]

    def click(selector, text=""):
        def attempt():
            for element in find(selector):
                if text in element.text:
                    element.click()
                    return True

        wait_for(attempt, f"clicking {text or selector}")

    wait_for(open_page, "JupyterLab starts")
    wait_for(lambda: find(".jp-Notebook .jp-Cell"), "the notebook opens")
    wait_for(lambda: "| Idle" in find("#jp-main-statusbar")[0].text, "the kernel is ready")
    assert outputs() == []  # whatever is seen later was made here

    click(".lm-MenuBar-item", "Run")
    click("li[data-command='runmenu:run-all']")
    wait_for(lambda: re.search(r"\d+ of \d+ points\.", "".join(outputs()[-1:])), "the report")

    click(".lm-MenuBar-item", "File")
    click("li[data-command='docmanager:save']")
    wait_for(lambda: all(c["execution_count"] for c in saved(path)), "the notebook is saved")
    cells = saved(path)
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert "error" not in kinds

    num_formulas = "".join(cell["source"] for cell in nb.read(path)["cells"]).count(r"\tag{")
    wait_for(lambda: len(find("mjx-container[display='true']")) >= num_formulas, "the formulas")
    assert [broken.text for broken in find("mjx-merror, [data-mjx-error]")] == []


def saved(path):
    """The code cells of the file as it is now."""
    return [cell for cell in nb.read(path)["cells"] if cell["cell_type"] == "code"]
