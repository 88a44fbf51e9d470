"""Real editors for tests: where the laboratories are, a world for one test, VS Code in a browser, Neovim over its RPC.

The laboratories are set up by ``make labs``; nothing here downloads or installs. It never starts a program with the
environment of whoever runs the tests: each test has a home, a store and a mark of its own, and the mark finds what it left behind.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pynvim
import pytest
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from support.waiting import until

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("MISSIONS_CACHE") or ROOT / ".cache")
LAB = CACHE / "lab"

MARK = "MISSIONS_TEST_MARK"
#: The lab that each program belongs to, where the names differ.
_LAB_OF = {"nvim": "neovim", "hx": "helix", "stylua": "lua", "luacheck": "lua"}
#: What an outer editor, shell or key would bring along.
_FOREIGN = re.compile(
    r"(VSCODE_|NVIM|VIM|XDG_|ANTHROPIC_|MISSIONS_|NODE_OPTIONS$|PORT$|TMUX|GIT_|EDITOR$|VISUAL$)"
)

QUIET_SETTINGS: dict[str, Any] = {
    "chat.disableAIFeatures": True,
    "editor.minimap.enabled": False,
    "extensions.autoCheckUpdates": False,
    "extensions.autoUpdate": False,
    "extensions.ignoreRecommendations": True,
    "git.enabled": False,
    "remote.autoForwardPorts": False,
    "security.workspace.trust.enabled": False,
    "telemetry.telemetryLevel": "off",
    "window.commandCenter": False,
    # Spinning icons cost a browser without a graphics card half a core.
    "workbench.reduceMotion": "on",
    "workbench.colorTheme": "Default Dark Modern",
    "workbench.editor.useModal": "off",
    "workbench.layoutControl.enabled": False,
    "workbench.secondarySideBar.defaultVisibility": "hidden",
    "workbench.startupEditor": "none",
    "workbench.tips.enabled": False,
}


def program(name: str) -> str:
    """The program of a laboratory.

    Skips with the reason when this machine cannot have it, and fails when it was only not set up: a test that is
    silently not run proves nothing.
    """
    path = LAB / "bin" / name
    reason = LAB / f"{_LAB_OF.get(name, name)}.missing"
    if reason.exists():
        pytest.skip(f"{name} cannot be had on this machine: {reason.read_text(encoding='utf-8').strip()}")
    if not path.exists():
        pytest.fail(f"{name} is not set up; run: make labs")
    return str(path)


def vsix() -> Path:
    """The packed extension; ``make vsix`` makes it."""
    version = json.loads((ROOT / "editors/vscode/package.json").read_text(encoding="utf-8"))["version"]
    path = CACHE / "vsix" / f"missions-{version}.vsix"
    if not path.exists():
        pytest.fail("the extension is not packed; run: make vsix")
    return path


class World:
    """A home, a workspace and a store for one test, and the processes that were started in it."""

    def __init__(self, folder: Path) -> None:
        self.name = folder.name
        """Of the test, for the files that outlive it."""
        self.home = folder / "home"
        """HOME of every program; configuration, data and caches lie below it."""
        self.workspace = folder / "workspace"
        """The folder that editors open; empty at first."""
        self.store = folder / "store"
        """MISSIONS_HOME."""
        self.mark = uuid.uuid4().hex
        """Value of an environment variable that every process of this world has inherited."""
        for path in (self.home, self.workspace):
            path.mkdir(parents=True)
        runtime = self.home / "run"
        runtime.mkdir(mode=0o700)

    def environment(self, **extra: str) -> dict[str, str]:
        env = {key: value for key, value in os.environ.items() if not _FOREIGN.match(key)}
        # `missions` and `python` of the environment that runs the tests come first.
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
        env.update(
            HOME=str(self.home),
            XDG_CONFIG_HOME=str(self.home / ".config"),
            XDG_DATA_HOME=str(self.home / ".local/share"),
            XDG_STATE_HOME=str(self.home / ".local/state"),
            XDG_CACHE_HOME=str(self.home / ".cache"),
            XDG_RUNTIME_DIR=str(self.home / "run"),
            MISSIONS_HOME=str(self.store),
            GIT_CONFIG_GLOBAL=os.devnull,
            GIT_CONFIG_NOSYSTEM="1",
            LC_ALL="C.UTF-8",
        )
        env[MARK] = self.mark
        return env | extra

    def processes(self) -> list[psutil.Process]:
        """Every living process that carries the mark, whoever its parent is now."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                if process.status() != psutil.STATUS_ZOMBIE and process.environ().get(MARK) == self.mark:
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def running(self, last: str) -> list[psutil.Process]:
        """Those whose command line ends with this word; one may die while it is looked at."""
        found: list[psutil.Process] = []
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                if process.cmdline()[-1:] == [last]:
                    found.append(process)
        return found

    def assert_nothing_left(self, deadline: float = 20.0) -> None:
        """Wait until no process of this world lives; fail with their command lines."""
        try:
            until(lambda: not self.processes(), deadline, "the end of every process")
        except AssertionError:
            left = [" ".join(process.cmdline()) for process in self.processes()]
            raise AssertionError(f"processes left behind: {left}") from None

    def kill_all(self) -> None:
        """Clean up after a failed test; a test that passes leaves nothing to do here."""
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue


class CodeServer:
    """VS Code as a server on loopback, with its real extension host."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.url = ""
        """Base address once it has started; the port is chosen by the system."""
        self.process: subprocess.Popen[bytes] | None = None
        self.log = world.home / "code-server.log"
        self._data = world.home / "code-server"
        self._command = [
            program("code-server"),
            *("--config", str(self._data / "config.yaml")),
            *("--user-data-dir", str(self._data / "data")),
            *("--extensions-dir", str(self._data / "extensions")),
        ]
        (self._data / "data/User").mkdir(parents=True)
        # Without a configuration of its own it writes one into the home, with a password in it.
        (self._data / "config.yaml").write_text("auth: none\n", encoding="utf-8")
        (self._data / "data/Machine").mkdir()
        self.settings({})
        self.machine_settings({})

    def settings(self, settings: dict[str, Any]) -> None:
        """Write the user's settings, for windows that open from now on."""
        path = self._data / "data/User/settings.json"
        path.write_text(json.dumps(QUIET_SETTINGS | settings, indent=2), encoding="utf-8")

    def machine_settings(self, settings: dict[str, Any]) -> None:
        """Write the settings of the machine that the server is on: where those that name programs and folders belong."""
        path = self._data / "data/Machine/settings.json"
        path.write_text(json.dumps(settings, indent=2), encoding="utf-8")

    def install(self, extension: Path) -> None:
        done = subprocess.run(
            [*self._command, "--install-extension", str(extension), "--force"],
            check=False,
            env=self.world.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, *arguments: str, environment: dict[str, str] | None = None, trust: bool = True) -> None:
        """Start it; without ``trust`` the window begins in restricted mode, if the settings ask for that."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *self._command,
                    *("--auth", "none", "--bind-addr", "127.0.0.1:0"),
                    *("--disable-telemetry", "--disable-update-check"),
                    "--disable-getting-started-override",
                    *(("--disable-workspace-trust",) if trust else ()),
                    # Else it asks a login shell for the PATH, and extensions do not see the one given here.
                    *("--vscode-option", "force-disable-user-env"),
                    *arguments,
                ],
                env=self.world.environment(**(environment or {})),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.url = until(self._address, 60, "the address of code-server")

    def _address(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        assert self.process is not None
        assert self.process.poll() is None, f"code-server ended: {text}"
        found = re.search(r"HTTP server listening on (http://127\.0\.0\.1:\d+)", text)
        return found.group(1) if found else ""

    def page_url(self, folder: Path | None = None) -> str:
        return f"{self.url}/?folder={quote(str(folder or self.world.workspace))}"

    def kill(self) -> None:
        """End it with all that it has started in its session, at once, as a machine's owner might."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)
        self.process = None

    def stop(self) -> None:
        """End it politely, then its whole session if it does not."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.process = None


@contextmanager
def browser_page(world: World, width: int = 1280, height: int = 800) -> Generator[Page]:
    """A page of the laboratory's Chromium; everything that it does ends with the block."""
    arguments = ["--disable-dev-shm-usage", "--disable-gpu", "--font-render-hinting=none"]
    if os.geteuid() == 0:
        # Chromium refuses to sandbox itself as root; it only ever sees pages of the test.
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"), args=arguments, env=dict(world.environment())
        )
        try:
            context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark")
            page = context.new_page()
            try:
                yield page
            except BaseException:
                # What a person would have seen says more than the selector that did not match.
                page.screenshot(path=CACHE / "reports" / f"failed-{world.name}.png")
                raise
        finally:
            browser.close()


def run_in_extension_host(
    page: Page, server: CodeServer, tests: Path, deadline: float = 90.0
) -> tuple[int, str]:
    """Open a window in which ``run()`` of a test file is called inside the extension host, with the whole editor API.

    Returns its exit code and what the host said. The extension is used unpacked, from its folder.
    """
    codes: list[int] = []
    said: list[str] = []
    page.expose_function("codeAutomationExit", lambda code, *_: codes.append(int(code)))
    page.expose_function("codeAutomationLog", lambda kind, words: said.append(f"{kind}: {words}"))
    page.on("console", lambda message: said.append(message.text))
    # A built VS Code heeds the payload only when its driver for smoke tests is on.
    server.start("--vscode-option", "enable-smoke-test-driver")
    here = f"vscode-remote://{server.url.removeprefix('http://')}"
    payload = [
        ["extensionDevelopmentPath", f"{here}{ROOT / 'editors/vscode'}"],
        ["extensionTestsPath", f"{here}{tests}"],
    ]
    page.goto(f"{server.page_url()}&payload={quote(json.dumps(payload))}", wait_until="domcontentloaded")

    def ended() -> bool:
        # The page hands over its calls only while Playwright is being waited in.
        page.wait_for_timeout(50)
        return bool(codes)

    until(ended, deadline, "the end of the tests in the extension host")
    return codes[0], "\n".join(said)


class Workbench:
    """What a person does in VS Code's window, by what they see: palette, tree, notifications, open files."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, url: str) -> None:
        self.page.goto(url, wait_until="domcontentloaded")
        self.page.wait_for_selector(".monaco-workbench .part.statusbar .statusbar-item", timeout=90_000)

    def palette(self, text: str) -> list[str]:
        """Open the palette and type; the commands it then offers, of which one has the text in its label.

        The palette does not take over commands of an extension that registers while it is open, so it is opened again
        until the text is found.
        """
        return until(lambda: self._offered("F1", text), 60, f"{text!r} in the palette")

    def _offered(self, key: str, text: str) -> list[str]:
        """What the quick input that ``key`` opens offers for a text, if that is among it."""
        self.page.keyboard.press("Escape")
        self.page.keyboard.press(key)
        self.page.wait_for_selector(".quick-input-widget input:visible")
        # At once: with each single letter the list would be made anew.
        self.page.keyboard.insert_text(text)
        try:
            self.page.wait_for_selector(
                f'.quick-input-widget .monaco-list-row[aria-label*="{text}"]', timeout=5_000
            )
        except PlaywrightTimeout:
            return []
        return self._labels(".quick-input-widget .monaco-list-row")

    def run(self, title: str) -> None:
        self.palette(title)
        self.page.keyboard.press("Enter")

    def open_file(self, name: str) -> None:
        # The list of files is made once for an open input; one that was written just now comes with the next.
        until(lambda: self._offered("Control+P", name), 60, f"{name!r} among the files")
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector(f'.tab[data-resource-name="{name}"]')

    def settings(self, settings: dict[str, Any]) -> None:
        """Change the user's settings in the window, as a user does who edits their file."""
        self.run("Preferences: Open User Settings (JSON)")
        self.page.wait_for_selector('.tab.active[data-resource-name="settings.json"]')
        self.page.locator(".editor-instance .view-lines").last.click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(json.dumps(QUIET_SETTINGS | settings))
        # What the editor closed by itself.
        self.page.keyboard.press("Control+Shift+End")
        self.page.keyboard.press("Delete")
        self.page.keyboard.press("Control+S")
        self.page.wait_for_selector('.tab.active[data-resource-name="settings.json"]:not(.dirty)')

    def tree(self) -> list[str]:
        """The visible rows of the side bar."""
        return [label.strip() for label in self._labels(".part.sidebar .monaco-list-row")]

    def notifications(self) -> list[str]:
        items = self.page.locator(".notifications-toasts .notification-list-item").all_inner_texts()
        return [" ".join(text.split()) for text in items]

    def _labels(self, selector: str) -> list[str]:
        # In one call: rows come and go while they are read.
        read = "rows => rows.map(row => row.getAttribute('aria-label') ?? '')"
        return self.page.locator(selector).evaluate_all(read)


@contextmanager
def neovim(world: World, arguments: Iterable[str] = (), **environment: str) -> Generator[pynvim.Nvim]:
    """An embedded Neovim without the user's configuration, driven over its RPC; quits with the block."""
    # The environment goes through env(1): pynvim offers no way to give one, and this process's must not be touched.
    variables = [f"{key}={value}" for key, value in world.environment(**environment).items()]
    command = ["env", "-i", *variables, program("nvim"), "--clean", "-n", "--embed", "--headless", *arguments]
    nvim = pynvim.attach("child", argv=command)
    # A world may hold several; only this one is waited for.
    process = psutil.Process(nvim.funcs.getpid())
    try:
        yield nvim
    finally:
        try:
            nvim.command("qall!", async_=True)
            until(lambda: not _alive(process), 20, "the end of Neovim")
        finally:
            nvim.close()


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
