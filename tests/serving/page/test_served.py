"""The page as the service itself serves it: its own bundle, store and content security policy."""

import pytest

from tests.serving.page.browser import chromium
from tests.serving.running import running
from tests.tiny_bundle import world, write_bundle

pytestmark = pytest.mark.timeout(600)  # a browser and a service on a busy machine


def told(page, text):
    found = "text => document.getElementById('said').textContent.includes(text)"
    page.wait_for_function(found, arg=text)


def test_an_event_written_on_the_page_changes_the_served_list(tmp_path):
    table = world(6, seed=1, values=9)
    bundle = write_bundle(tmp_path / "bundle", table, explains=False)
    with chromium() as browser, running(bundle, tmp_path / "service") as service:
        page = browser.new_page()
        complaints = []
        page.on("console", lambda line: complaints.append(line.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{service.url}/#7")
        told(page, "User 7.")
        assert page.locator("#list .plain").count() == 6

        page.get_by_role("button", name="Had it: Title 4").click()
        told(page, "Written: Title 4.")

        left = [item for item in range(1, 7) if item != 4]
        best = sorted(left, key=lambda item: (-table[4, item], item))
        titles = [f"Title {item}" for item in best]
        assert page.locator("#list .plain").all_text_contents() == titles
        assert page.locator("#slots tbody th").all_text_contents() == ["Title 4"]
        assert complaints == []
