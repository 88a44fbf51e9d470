"""Secrets and control characters out of texts, whole or in pieces."""

from __future__ import annotations

import json
import random
import string

import pytest

from missions.store.redact import Redactor, clean_text

LETTERS = string.ascii_letters + string.digits
ENVIRONMENT = {
    "ANTHROPIC_API_KEY": "value-of-the-key-1234567890",
    "DB_PASSWORD": 'p"ss wörd\\42',
    "MY_TOKEN_2": "tok%/+tok12345",
    "SSH_AUTH_SOCK": "/run/user/agent.sock",
    "KEY_FILE": "key-file-name-1",
    "PATH": "/usr/bin:/bin",
    "MONKEY": "banana-banana-1",
    "CI_TOKEN": "short",
    "SECRET_MODE": "enabledalways",
}


def chars(random_: random.Random, count: int, alphabet: str = LETTERS) -> str:
    return "".join(random_.choices(alphabet, k=count))


def planted(random_: random.Random) -> list[str]:
    """One secret of each shape, assembled here so that this file holds none."""
    r = random_
    return [
        "sk-" + "ant-" + "api03-" + chars(r, 95),
        "sk-" + "proj-" + chars(r, 60),
        "gh" + "p_" + chars(r, 36),
        "github_" + "pat_" + chars(r, 82),
        "glp" + "at-" + chars(r, 20),
        "AK" + "IA" + chars(r, 16, string.ascii_uppercase + "234567"),
        "AI" + "za" + chars(r, 35),
        "xo" + "xb-" + chars(r, 40),
        "np" + "m_" + chars(r, 36),
        "pypi-" + "AgEI" + chars(r, 120),
        "sk_" + "live_" + chars(r, 24),
        "ey" + "J" + chars(r, 30) + ".ey" + "J" + chars(r, 120) + "." + chars(r, 43),
        "Bearer " + chars(r, 64),
        "postgres" + "://user:" + chars(r, 20) + "@db.example/x",
        "-----BEGIN RSA " + "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\n"
        + "\n".join(chars(r, 64) for _ in range(12)) + "\n-----END RSA " + "PRIVATE KEY-----",
        *(value for name, value in ENVIRONMENT.items() if name in ("ANTHROPIC_API_KEY", "DB_PASSWORD", "MY_TOKEN_2")),
    ]  # fmt: skip


def core(secret: str) -> str:
    """The part of a planted secret that must not survive."""
    if "://" in secret:
        return secret.split(":")[2].split("@")[0]
    return secret.splitlines()[4] if "PRIVATE" in secret else secret[-12:]


def test_every_kind_of_secret_disappears_and_the_text_around_it_stays():
    random_ = random.Random(1)
    redactor = Redactor(ENVIRONMENT)
    for _ in range(12):
        for secret in planted(random_):
            shown = redactor.text(f"before {secret} after")
            assert core(secret) not in shown and "[redacted:" in shown
            assert shown.startswith("before ") and shown.endswith(" after")


def test_a_secret_cut_anywhere_into_pieces_is_redacted_as_if_it_came_whole():
    random_ = random.Random(2)
    redactor = Redactor(ENVIRONMENT)
    for secret in planted(random_):
        text = f"{'some words ' * 60}\nkey={secret}\n{'more words ' * 60}"
        whole = redactor.text(text)
        start = text.index(secret)
        for cut in range(start - 1, start + len(secret) + 1):
            stream = redactor.stream()
            out = stream.feed(text[:cut]) + stream.feed(text[cut:]) + stream.flush()
            assert out == whole, (secret[:12], cut)


def test_a_text_in_pieces_of_any_size_comes_out_as_if_it_came_whole():
    random_ = random.Random(3)
    redactor = Redactor(ENVIRONMENT)
    text = " ".join(
        random_.choice(planted(random_)) if random_.random() < 0.1 else chars(random_, random_.randint(1, 12))
        for _ in range(3000)
    )
    whole = redactor.text(text)
    for size in (1, 7, 100, 4096, 70_000):
        if size == 1:
            part, stream = text[:6000], redactor.stream()
            out = "".join(stream.feed(character) for character in part) + stream.flush()
            assert out == redactor.text(part)
            continue
        stream = redactor.stream()
        out = "".join(stream.feed(text[at : at + size]) for at in range(0, len(text), size)) + stream.flush()
        assert out == whole


def test_an_endless_line_does_not_pile_up_and_keeps_its_secrets_in():
    redactor = Redactor({})
    secret = "sk-" + "ant-" + "x1" * 40
    stream = redactor.stream()
    line = ("y=" * 40_000) + "&k=" + secret + "&" + ("z=" * 40_000)
    out, longest = "", 0
    for at in range(0, len(line), 1000):
        out += stream.feed(line[at : at + 1000])
        longest = max(longest, at + 1000 - len(out))
    out += stream.flush()
    assert "x1x1x1" not in out and longest < 100_000 and out.endswith("z=z=")


def test_values_are_found_in_their_json_and_url_forms_and_places_and_words_are_no_secrets():
    redactor = Redactor(ENVIRONMENT)
    assert "ss w" not in redactor.text(json.dumps({"p": ENVIRONMENT["DB_PASSWORD"]}))
    assert "tok12345" not in redactor.text("https://x/?t=tok%25%2F%2Btok12345")
    harmless = " ".join(
        ENVIRONMENT[n] for n in ("SSH_AUTH_SOCK", "KEY_FILE", "PATH", "MONKEY", "CI_TOKEN", "SECRET_MODE")
    )
    assert redactor.text(harmless) == harmless
    assert Redactor({}, values=["given-by-settings"]).text("x given-by-settings y") == "x [redacted:value] y"


def test_a_json_value_is_redacted_in_every_string():
    redactor = Redactor({}, values=["hidden-value"])
    value = {"a hidden-value": ["x", {"b": "hidden-value!"}], "n": 3, "none": None}
    assert redactor.value(value) == {
        "a [redacted:value]": ["x", {"b": "[redacted:value]!"}],
        "n": 3,
        "none": None,
    }


def test_ordinary_code_is_left_alone():
    from pathlib import Path

    import missions

    redactor = Redactor({})
    for path in sorted(Path(missions.__file__).parent.rglob("*.py")):
        if path.name in ("redact.py", "secret_text.py"):
            continue
        text = path.read_text("utf-8")
        assert redactor.text(text) == text, path.name


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;command:x\x07link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;c2VjcmV0\x07x", "x"),
        ("a\x1bPq#0;2\x1b\\b", "ab"),
        ("\x9b31mred", "red"),
        ("\x9d0;title\x9cx", "x"),
        ("a\x1b", "a"),
        ("\x1b[", ""),
        ("be\x07ll\x08 \x00nul\x7f", "bell nul"),
        ("line\r\nnext\rlast\ttab\n", "line\nnext\nlast\ttab\n"),
        ("user\u202etxt.exe\u2066x\u2069\u200f", "usertxt.exex"),
        ("ünïcödé 漢字 👩‍💻", "ünïcödé 漢字 👩‍💻"),
    ],
)
def test_nothing_that_moves_a_cursor_or_turns_text_around_survives(raw: str, clean: str):
    assert clean_text(raw) == clean
