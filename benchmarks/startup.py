"""Seconds from the start of `app.py` to a page one can type in: `python benchmarks/startup.py`. Medians of a few runs.

Each run is a new process on a data folder of its own. Measures until the address answers, until the page is drawn in
Chromium (through Playwright, where both are installed), and until the model is ready. On Linux also how long the
studio computed until then, which other programs on the machine disturb less.
"""

import argparse
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
POLL_SECONDS = 0.02
PATIENCE_SECONDS = 120
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def time_start(browser: Any) -> dict[str, float]:
    """Seconds since the process was started, by what was there then; and how long it computed to get there."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        studio = subprocess.Popen(
            [sys.executable, "app.py", "--no-browser", "--port", str(port), "--data-dir", folder],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            answers(f"http://127.0.0.1:{port}/", studio)
            seconds = {"answers": time.perf_counter() - started}
            if browser is not None:
                draw(browser, f"http://127.0.0.1:{port}/")
                seconds["interactive"] = time.perf_counter() - started
            seconds |= computed(studio.pid)
            assert studio.stdout is not None
            while "Device:" not in (line := studio.stdout.readline()):
                if not line:
                    raise SystemExit("the studio ended before its model was ready")
            seconds["model ready"] = time.perf_counter() - started
            return seconds
        finally:
            studio.send_signal(signal.SIGINT)
            studio.wait(PATIENCE_SECONDS)


def computed(pid: int) -> dict[str, float]:
    """CPU seconds of all threads of a process, where the system tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return {}
    user, system = stat.rpartition(")")[2].split()[11:13]
    return {"computed": (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str, studio: "subprocess.Popen[str]") -> None:
    end = time.perf_counter() + PATIENCE_SECONDS
    while time.perf_counter() < end and studio.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url, timeout=5) as response:
            response.read()
            return
        time.sleep(POLL_SECONDS)
    raise SystemExit("the studio's page did not open")


def draw(browser: Any, url: str) -> None:
    """Open the page in a new profile and type a prompt."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(url, wait_until="commit")
    page.locator("#prompt textarea").fill("red apple")
    page.locator("#paint:enabled").wait_for()
    context.close()


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser that is already open, or None."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        yield None
        return
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except Error:
            yield None
            return
        yield browser
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    with chromium() as browser:
        if browser is None:
            print("without Playwright and Chromium nothing is drawn")
        runs = [time_start(browser) for _ in range(arguments.runs)]
    print(f"{os.cpu_count()} cores, median of {arguments.runs} runs, seconds after the process was started")
    for name in runs[0]:
        times = [run[name] for run in runs]
        print(f"{name:12}  {statistics.median(times):6.2f}  ({min(times):.2f} to {max(times):.2f})")


if __name__ == "__main__":
    main()
