"""Messages to people, by the real command and Apprise to private HTTP receivers: they take them, refuse, or hang."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from meosbackup.commands.simulation import delete_race
from meosbackup.mysql.private_server import PrivateServer, free_port
from tests.toolkit.place import Place, new_place
from tests.toolkit.receiving import SECRET, Inbox, receiving
from tests.toolkit.running import running
from tests.toolkit.runs import Completed, run_meosbackup, told, tool_environment
from tests.toolkit.servers import INNODB
from tests.toolkit.waiting import wait_until

INSTALL = 'pipx install --force "meosbackup[notify]"'

pytest.importorskip("apprise")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return new_place(tmp_path)


@pytest.fixture
def inboxes() -> Iterator[list[Inbox]]:
    with ExitStack() as stack:
        yield [stack.enter_context(receiving()) for _ in range(4)]


def notifying(*urls: str) -> dict[str, str]:
    return {"MEOSBACKUP_NOTIFY": "; ".join(urls)}


def assert_secret(place: Place, said: str) -> None:
    """See that nothing of a URL but its host was shown or logged."""
    assert SECRET not in said
    assert SECRET not in place.log.read_text("utf-8")


def test_each_thing_reaches_who_takes_it_once_whatever_the_others_do(
    place: Place, server: PrivateServer, inboxes: list[Inbox]
) -> None:
    good, hanging, refusing, slow = inboxes
    slow.delay = 5.0  # Apprise by itself gives up after 4 s
    hanging.hangs.set()
    refusing.refuses.set()
    nobody = f"json://club:{SECRET}@127.0.0.1:{free_port()}/{SECRET}"
    env = notifying(good.url, hanging.url, refusing.ntfy_url, nobody, slow.url)
    with running(place, server, "--interval", "1", "--verbose", env=env) as tool:
        tool.waits_for("Messages to JSON at 127.0.0.1 (URL 1), JSON at 127.0.0.1 (URL 2), ntfy, JSON at 127.0.0.1")
        assert "meosbackup is running, with a backup every 1 second." in good.waits_for("started")
        server.stop()
        try:
            assert "FAIL: The server" in good.waits_for("FAIL")
        finally:
            server.start()
        assert "Over, from " in good.waits_for("all is well again")
        delete_race(server, INNODB)
        assert "InnoDB-tävlingen" in good.waits_for("ALARM")
        tool.waits_for("ntfy didn't take a message")
        tool.waits_for("JSON at 127.0.0.1 (URL 4) didn't take a message")
        wait_until(lambda: hanging.tried, "a message on its way")
        slow.waits_for("started")
        tool.skip()
        for _ in range(3):  # ticks go on, though one receiver has not answered yet
            tool.expect(r"\d  OK ")
        done = tool.press_ctrl_c()
    stopped = good.waits_for("stopped")
    assert "Still wrong, since" in stopped
    assert "InnoDB-tävlingen" in stopped
    assert good.titles.count("started") == good.titles.count("all is well again") == good.titles.count("ALARM") == 1
    assert good.titles[-1] == "stopped"
    texts = [message["message"].partition("\n\n")[0] for message in good.taken]
    assert len(set(texts)) == len(texts), texts
    assert len(set(slow.titles)) == len(slow.titles)
    assert len(hanging.tried) == 1
    assert tool.said.count("didn't take a message") == 2
    assert_secret(place, done.stdout)


def test_who_can_be_reached_again_is_told_how_things_are_then(
    place: Place, server: PrivateServer, inboxes: list[Inbox]
) -> None:
    inbox = inboxes[0]
    inbox.refuses.set()
    with running(place, server, "--interval", "1", env=notifying(inbox.url)) as tool:
        wait_until(lambda: inbox.tried, "the first try")
        server.stop()
        try:
            wait_until(lambda: "FAIL: " in inbox.tried[-1]["message"], "a try to tell the trouble")
            inbox.refuses.clear()
            inbox.waits_for("FAIL")
        finally:
            server.start()
        inbox.waits_for("all is well again")
        done = tool.press_ctrl_c()
    assert "started" not in inbox.titles
    assert done.stdout.count("didn't take a message") == 1


def test_once_tells_nothing(place: Place, server: PrivateServer, inboxes: list[Inbox]) -> None:
    with running(place, server, "--once", env=notifying(inboxes[0].url, "nonsense")) as tool:
        told(tool.ended(), 0)
    assert inboxes[0].taken == []


# check


def check(place: Place, *more: str, env: dict[str, str]) -> Completed:
    """Run check without a server, whose end comes soon."""
    return run_meosbackup("check", *place.options, "--port", "1", "--verbose", *more, env=env)


def test_check_sends_a_message_to_each(place: Place, inboxes: list[Inbox]) -> None:
    good, other, refusing, _ = inboxes
    refusing.refuses.set()
    config = place.folder / "club.toml"
    urls = (good.url, other.ntfy_url, refusing.url, good.url)
    config.write_text(f"notify = [{', '.join(map(repr, urls))}]\n", "utf-8")
    said = told(
        check(place, "--notify", "--config", str(config), env={}), 1,
        "OK notify: JSON at 127.0.0.1 (URL 1) took the test message",
        "OK notify: ntfy took the test message",
        "FAIL notify: JSON at 127.0.0.1 (URL 3) didn't take the test message. Check the internet connection,",
    )  # fmt: skip
    assert good.titles == ["test"]
    [message] = other.taken
    assert (message["title"], message["message"].splitlines()[0]) == (
        "meosbackup: test", "This is a test. Trouble, alarms and their end will be told here.",
    )  # fmt: skip
    assert len(refusing.tried) == 1
    assert_secret(place, said)


def test_without_being_asked_check_sends_nothing(place: Place, inboxes: list[Inbox]) -> None:
    env = notifying(inboxes[0].url)
    said = told(check(place, env=env), 1, "OK notify: messages go to JSON at 127.0.0.1; not tried: --notify sends")
    assert_secret(place, said)
    assert inboxes[0].taken == []
    told(check(place, env={}), 1, "OK notify: no messages are sent, since notify is not set")
    told(check(place, "--notify", env={}), 1, "FAIL notify: no messages are sent, since notify is not set. Put an")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (f"tgram://{SECRET}", "Apprise can't use URL 2 of notify, which begins with tgram://."),
        (f"unknown://{SECRET}@host", "Apprise can't use URL 2 of notify, which begins with unknown://."),
        (SECRET, "Apprise can't use URL 2 of notify, which has no ://."),
    ],
)
def test_a_wrong_url_is_told_before_the_day_begins(place: Place, url: str, words: str) -> None:
    env = notifying("json://127.0.0.1:1/", url)
    said = told(check(place, env=env), 1, f"FAIL notify: {words} Correct it: https://appriseit.com/services/")
    assert_secret(place, said)
    said = told(run_meosbackup(*place.options, env=env), 2, words, "Nothing was backed up.", "Correct it")
    assert_secret(place, said)
    assert not place.batch_folders


def test_a_secret_in_a_wrong_setting_is_not_shown(place: Place) -> None:
    config = place.folder / "club.toml"
    config.write_text(f"notify = 'tgram://{SECRET}'\n", "utf-8")
    result = run_meosbackup(*place.options, "--config", config)
    assert SECRET not in told(result, 2, "notify is (not shown); it must be a list")


def test_without_apprise_it_says_how_to_install_it(place: Place) -> None:
    env, what = notifying("ntfy://club"), "notify is set, but Apprise, which sends the messages, is not installed."
    told(without_apprise(*place.options, env=env), 2, what, INSTALL)
    checking = ["check", *place.options, "--port", "1"]
    told(without_apprise(*checking, env=env), 1, f"FAIL notify: {what} Install it with `{INSTALL}`")
    told(without_apprise(*checking, env={}), 1, "OK notify: no messages are sent")


def without_apprise(*arguments: str, env: dict[str, str]) -> Completed:
    """Run meosbackup in a Python that has no Apprise."""
    script = "import sys; sys.modules['apprise'] = None; from meosbackup.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], env={**tool_environment(), **env}, stdin=subprocess.DEVNULL,
        capture_output=True, encoding="utf-8", check=False, timeout=60,
    )  # fmt: skip
