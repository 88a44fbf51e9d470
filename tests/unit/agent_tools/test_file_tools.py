"""`read`, `write` and `edit` on real files: what is kept, what is refused, and that nothing leaves the workspace."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from pathlib import Path

import pytest

from missions.agent.ledger import CommandLedger
from missions.agent.tool import ToolContext, ToolResult
from missions.agent.tools.files import file_tools
from missions.agent.tools.workspace import Workspace, open_by_component


class Files:
    def __init__(self, root: Path, **options: object) -> None:
        self.ledger = CommandLedger()
        self.workspace = Workspace(root, ledger=self.ledger, **options)  # type: ignore[arg-type]
        self.tools = {tool.name: tool for tool in file_tools(self.workspace)}

    async def __call__(self, name: str, **args: object) -> ToolResult:
        return await self.tools[name].call(args, ToolContext("toolu_1", asyncio.Event()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("canary")
    (tmp_path / "w" / ".git").mkdir(parents=True)
    (tmp_path / "w" / ".git" / "config").write_text("canary")
    return tmp_path / "w"


async def test_reading_pages_with_line_numbers_and_says_what_is_left(root: Path) -> None:
    (root / "f").write_text("".join(f"line {number}\n" for number in range(1, 11)))
    files = Files(root)
    assert (
        await files("read", path="f", offset=3, limit=2)
    ).content == "3\tline 3\n4\tline 4\n[lines 3 to 4 of 10; go on with offset 5]"
    assert (await files("read", path="f", offset=10)).content == "10\tline 10\n[lines 10 to 10 of 10]"
    assert "there is no line 11" in str((await files("read", path="f", offset=11)).content)
    (root / "empty").touch()
    assert (await files("read", path="empty")).content == "(the file is empty)"


async def test_a_ten_megabyte_line_and_a_long_file_are_bounded(root: Path) -> None:
    (root / "wide").write_text("é" * 5_000_000)
    (root / "long").write_text("x" * 99 + "\n" + ("y" * 99 + "\n") * 9_999)
    files = Files(root)
    assert len(str((await files("read", path="wide")).content)) < 2_100
    assert len(str((await files("read", path="long")).content)) < 51_000


async def test_images_are_shown_and_binary_files_described(root: Path) -> None:
    (root / "i.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(10))
    (root / "b").write_bytes(b"ab\0cd")
    files = Files(root)
    image = (await files("read", path="i.txt")).content
    assert isinstance(image, list)
    assert image[1]["source"]["media_type"] == "image/png"
    assert "binary file" in str((await files("read", path="b")).content)
    assert (await files("edit", path="b", old="a", new="c")).is_error


async def test_text_that_is_not_utf8_is_shown_with_a_warning_and_not_edited(root: Path) -> None:
    (root / "g").write_bytes("价格: 1\n".encode("gbk"))
    files = Files(root)
    assert "not UTF-8" in str((await files("read", path="g")).content)
    assert (await files("edit", path="g", old=": 1", new=": 2")).is_error
    assert (root / "g").read_bytes() == "价格: 1\n".encode("gbk")


async def test_an_edit_keeps_line_ends_mark_mode_and_the_missing_last_newline(root: Path) -> None:
    place = root / "f.sh"
    place.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree")
    place.chmod(0o755)
    result = await Files(root)("edit", path="f.sh", old="one\ntwo", new="1\n2\n2b")
    assert not result.is_error
    assert result.meta == {"edit": "f.sh", "seen": {"path": "f.sh", "sha256": None}}
    assert place.read_bytes() == b"\xef\xbb\xbf1\r\n2\r\n2b\r\nthree"
    assert place.stat().st_mode & 0o777 == 0o755


async def test_an_edit_must_match_once_unless_all_are_meant(root: Path) -> None:
    (root / "f").write_text("a\nb\na\n")
    files = Files(root)
    assert "matches 2 times" in str((await files("edit", path="f", old="a", new="c")).content)
    assert not (await files("edit", path="f", old="a", new="c", replace_all=True)).is_error
    assert (root / "f").read_text() == "c\nb\nc\n"
    assert files.ledger.edits == 1


async def test_an_edit_that_does_not_match_shows_the_nearest_text(root: Path) -> None:
    (root / "f").write_text("def f():\n    return total_price\n")
    files = Files(root)
    assert "differ only in white space:\n1\tdef f():" in str(
        (await files("edit", path="f", old="def f():\n  return total_price", new="x")).content
    )
    assert "2\t    return total_price" in str(
        (await files("edit", path="f", old="return total_prize", new="x")).content
    )


async def test_writing_needs_the_present_content_to_have_been_read(root: Path) -> None:
    files = Files(root)
    assert "created" in str((await files("write", path="a/b/f", content="one\n")).content)
    assert "replaced" in str((await files("write", path="a/b/f", content="two\n")).content)
    (root / "a/b/f").write_text("by someone else\n")
    assert "changed since" in str((await files("write", path="a/b/f", content="three\n")).content)
    (root / "g").write_text("never read")
    assert "was not read" in str((await files("write", path="g", content="x")).content)
    await files("read", path="g")
    assert "is empty" in str((await files("write", path="g", content="")).content)
    assert (root / "g").read_text() == "never read"
    await files("edit", path="a/b/f", old="someone", new="nobody")
    assert "was not read" in str((await files("write", path="a/b/f", content="x")).content)


async def test_half_a_character_is_refused(root: Path) -> None:
    result = await Files(root)("write", path="f", content="\ud83d")
    assert result.is_error
    assert list(root.iterdir()) == [root / ".git"]


@pytest.mark.parametrize(
    "name", ["new\nline", "-rf", "a b", "\u202erev", "x" * 255, "$(touch evil)", "é", "*", "a;b", "~"]
)
async def test_odd_file_names_are_only_names(root: Path, name: str) -> None:
    files = Files(root)
    result = await files("write", path=name, content="x\n")
    assert not result.is_error, result.content
    assert (root / name).read_text() == "x\n"
    assert (await files("read", path=name)).content == "1\tx"


OUTSIDE = [
    "../outside/secret", "{outside}/secret", "link/secret", "absolute", "chain", "deep/../../outside/secret", ".git/config", "gitlink/config",
    ".GIT/config", "sub/.git/config", "/etc/passwd", "/proc/self/environ", "", "a\0b", "loop",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("tool", ["read", "write", "edit"])
async def test_no_path_leads_outside_or_into_git(root: Path, path: str, tool: str) -> None:
    outside = root.parent / "outside"
    (root / "deep").mkdir()
    (root / "sub" / ".git").mkdir(parents=True)
    (root / "sub" / ".git" / "config").write_text("canary")
    for name, target in (
        ("link", outside),
        ("absolute", outside / "secret"),
        ("chain", "link/secret"),
        ("gitlink", ".git"),
        ("loop", "loop"),
    ):
        (root / name).symlink_to(target)
    more = {"read": {}, "write": {"content": "x"}, "edit": {"old": "canary", "new": "x"}}[tool]
    result = await Files(root)(tool, path=path.format(outside=outside), **more)
    assert result.is_error
    assert "canary" not in str(result.content)
    for untouched in (outside / "secret", root / ".git/config", root / "sub/.git/config"):
        assert untouched.read_text() == "canary"
    assert sorted(entry.name for entry in outside.iterdir()) == ["secret"]


async def test_a_link_inside_the_workspace_is_followed_and_stays_a_link(root: Path) -> None:
    (root / "real").write_text("a\n")
    (root / "alias").symlink_to("real")
    await Files(root)("edit", path="alias", old="a", new="b")
    assert (root / "alias").is_symlink()
    assert (root / "real").read_text() == "b\n"


async def test_folders_swapped_for_links_meanwhile_lead_nowhere(root: Path) -> None:
    outside, swap, away = root.parent / "outside", root / "swap", root / "away"
    swap.mkdir()
    (swap / "secret").write_text("mine")
    away.symlink_to(outside)
    stop = threading.Event()
    exchange = ctypes.CDLL(None).renameat2

    def swapping() -> None:
        while not stop.is_set():
            # Both names always exist; only what they mean changes.
            assert exchange(-100, os.fsencode(swap), -100, os.fsencode(away), 2) == 0

    thread = threading.Thread(target=swapping)
    thread.start()
    try:
        files = Files(root)
        for number in range(400):
            assert "canary" not in str((await files("read", path="swap/secret")).content)
            await files("write", path=f"swap/f{number}", content="x")
    finally:
        stop.set()
        thread.join()
    assert sorted(entry.name for entry in outside.iterdir()) == ["secret"]


@pytest.mark.parametrize(
    "name", [".vscode/tasks.json", ".mcp.json", ".envrc", ".Claude/settings.json", ".gitmodules"]
)
async def test_protected_names_are_not_written(root: Path, name: str) -> None:
    assert "protected" in str((await Files(root)("write", path=name, content="x")).content)
    assert not (root / name).exists()


async def test_a_read_only_workspace_has_no_writing_tools_and_other_roots_are_only_read(root: Path) -> None:
    assert list(Files(root, writable=False).tools) == ["read"]
    files = Files(root, read_roots=(root.parent / "outside",))
    place = str(root.parent / "outside" / "secret")
    assert (await files("read", path=place)).content == "1\tcanary"
    assert "may only be read" in str((await files("edit", path=place, old="canary", new="x")).content)


async def test_pipes_and_devices_do_not_hang_a_read(root: Path) -> None:
    os.mkfifo(root / "pipe")
    assert (await Files(root)("read", path="pipe")).is_error


def test_without_openat2_no_component_may_be_a_link(root: Path) -> None:
    (root / "link").symlink_to(root.parent / "outside")
    (root / "d").mkdir()
    (root / "d" / "f").write_text("x")
    folder = os.open(root, os.O_RDONLY)
    try:
        os.close(open_by_component(folder, "d/f", os.O_RDONLY))
        os.close(open_by_component(folder, ".", os.O_RDONLY))
        for path in ("link/secret", "link", "../outside/secret"):
            with pytest.raises(OSError):
                open_by_component(folder, path, os.O_RDONLY)
    finally:
        os.close(folder)


async def test_a_resumed_conversation_knows_what_it_had_read_and_written(root: Path) -> None:
    (root / "read").write_text("one\n")
    (root / "edited").write_text("one\ntwo\n")
    (root / "in part").write_text("one\ntwo\n")
    (root / "changed").write_text("one\n")
    (root / "never").write_text("one\n")
    before = Files(root)
    results = [
        await before("read", path="read"),
        await before("read", path="edited"),
        await before("edit", path="edited", old="one", new="1"),
        await before("edit", path="in part", old="one", new="1"),
        await before("write", path="made", content="one\n"),
        await before("read", path="changed"),
    ]
    assert [result.is_error for result in results] == [False] * 6
    (root / "changed").write_text("by somebody else\n")

    after = Files(root)
    after.workspace.restore([result.meta for result in results])
    for name in ("read", "edited", "made"):
        assert not (await after("write", path=name, content="two\n")).is_error, name
    for name, why in (("in part", "was not read"), ("changed", "changed since"), ("never", "was not read")):
        refused = await after("write", path=name, content="two\n")
        assert refused.is_error
        assert why in str(refused.content)


async def test_a_write_that_a_dead_process_had_done_can_be_asked_for_again(root: Path) -> None:
    await Files(root)("write", path="made", content="one\n")
    again = Files(root)
    repeated = await again("write", path="made", content="one\n")
    assert not repeated.is_error
    assert "that content already" in str(repeated.content)
    assert not (await again("write", path="made", content="two\n")).is_error
