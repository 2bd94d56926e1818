"""What people see and do on the page, in a real browser."""

import pytest

from tests.serving.page.browser import SITE, TITLES, Service, chromium

pytestmark = pytest.mark.timeout(600)  # a browser on a busy machine


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def service():
    made = Service()
    made.log["ann/1"] = [3, 1]
    yield made
    assert made.complaints == []


def listed(page):
    return page.locator("#list .plain").all_text_contents()


def said(page, text):
    page.wait_for_function(
        "text => document.getElementById('said').textContent.includes(text)", arg=text
    )
    return page.text_content("#said")


def shown(service, browser, **settings):
    page = service.open(browser, at="#ann%2F1", **settings)
    said(page, "User ann/1.")
    return page


def test_a_user_is_shown_by_name_with_list_reasons_and_slots(service, browser):
    page = service.open(browser)
    assert page.is_hidden("main")
    page.get_by_label("User", exact=True).fill("ann/1")
    page.get_by_role("button", name="Show").click()
    said(page, "User ann/1.")
    assert listed(page) == ["Alien", "Dune", "Edge"]
    assert page.text_content("#list li:first-child .because") == "because of Heat +0.25"
    assert page.locator("#slots tbody th").all_text_contents() == ["Heat", "<b>Brazil</b>"]
    assert page.text_content("#model") == "Model a1b2, 2 events"
    assert page.url == f"{SITE}/#ann%2F1"


def test_every_hop_lays_its_weights_beside_the_slots(service, browser):
    page = shown(service, browser)
    rows = page.locator("#heat tr")
    numbers = [row.locator("td").all_text_contents() for row in rows.all()]
    assert numbers == [["0", ".750", ".250"], ["0", ".375", ".625"]]
    heads = page.locator("#heat th").all_text_contents()
    assert heads == ["Hop 1, before anybody asks", "Asked by Alien"]
    shares = page.locator("#heat tr:last-child td").evaluate_all(
        "cells => cells.map(cell => cell.style.getPropertyValue('--share'))"
    )
    assert shares == ["0.0%", "60.0%", "100.0%"]
    assert page.locator("#slots tbody tr:first-child .number").all_text_contents() == [
        ".750",
        ".375",
    ]


def test_the_heat_map_is_read_with_the_keyboard(service, browser):
    page = shown(service, browser)
    page.focus("#heat-box")
    page.keyboard.press("Tab")
    assert page.text_content("#cell") == "Slot 1 of 2, <b>Brazil</b>: 0 in candidate"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowUp")
    assert page.text_content("#cell") == "Slot 2 of 2, Heat: .750 in hop 1"
    assert page.locator("#slots tr.pointed th").all_text_contents() == ["Heat"]
    page.keyboard.press("End")
    assert page.text_content("#cell") == "Nothing: .250 in hop 1"


def test_a_written_event_changes_list_weights_and_what_is_said(service, browser):
    page = shown(service, browser)
    page.get_by_role("button", name="Had it: Dune").click()
    assert "Written: Dune. In the list: 2 moved." in said(page, "Written: Dune")
    assert service.log["ann/1"] == [3, 1, 4]
    assert listed(page) == ["Edge", "Alien"]
    assert page.text_content("#list li:first-child .move") == "\u2191 2"
    assert page.locator("#heat tr:first-child td").all_text_contents() == ["0", "0", ".750", ".250"]


def test_forgetting_an_event_brings_back_what_it_kept_out(service, browser):
    page = shown(service, browser)
    page.get_by_role("button", name="Forget Heat").click()
    said(page, "Forgotten: Heat, 1 event. In the list: 1 new (Heat), 3 moved.")
    assert service.log["ann/1"] == [3]
    assert listed(page) == ["Dune", "Heat", "Alien", "Edge"]
    assert page.text_content("#list .fresh .plain") == "Heat"


def test_a_user_is_forgotten_only_after_a_second_question(service, browser):
    page = shown(service, browser)
    page.get_by_role("button", name="Forget this user").click()
    page.get_by_role("button", name="Keep").click()
    assert service.log["ann/1"] == [3, 1]
    page.get_by_role("button", name="Forget this user").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget", exact=True).click()
    said(page, "Forgotten: ann/1 and 2 events.")
    assert service.log["ann/1"] == []
    assert page.text_content("#cell") == "Nothing is remembered yet, so there is nothing to read."
    assert page.is_disabled("#forget")


def test_any_item_can_be_found_looked_at_and_written(service, browser):
    page = shown(service, browser)
    page.get_by_label("Any other item").fill("hea")
    page.get_by_role("button", name="Find").click()
    said(page, "1 item found.")
    page.get_by_role("list", name="Items found").get_by_role(
        "button", name="Heat", exact=True
    ).click()
    said(page, "Heat reads the memory.")
    assert page.text_content("#asked") == "Heat asks: score 1.50"
    page.get_by_role("list", name="Items found").get_by_label("Had it: Heat").click()
    said(page, "Written: Heat.")
    assert service.log["ann/1"] == [3, 1, 1]


def test_a_key_is_asked_for_and_sent(browser):
    service = Service(key="sesame")
    page = service.open(browser, at="#bo")
    page.wait_for_selector("#wrong:has-text('API key')")
    page.get_by_text("API key", exact=True).click()
    page.get_by_label("Key, kept in this tab only").fill("sesame")
    page.get_by_role("button", name="Show").click()
    said(page, "User bo.")
    assert len(listed(page)) == len(TITLES)
    assert page.text_content("#wrong") == ""
    assert "press \u201cHad it\u201d" in page.text_content("#empty")
    assert service.complaints == []


def test_a_memory_whose_slots_are_no_events_says_so(browser):
    service = Service(explains=False)
    service.log["ann/1"] = [1]
    page = shown(service, browser)
    assert page.is_hidden("#heat-box")
    assert "slots of this memory are no events" in page.text_content("#cell")
    assert page.locator("#slots thead th").all_text_contents() == ["When", "Item"]
    assert service.complaints == []


def test_the_page_asks_nobody_but_the_service(service, browser):
    shown(service, browser)
    assert {host for _, host, _ in service.asked} == {SITE}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_is_cut_off_and_text_stands_out(service, browser, scheme, width):
    page = shown(service, browser, color_scheme=scheme, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == width
    low = page.evaluate(CONTRAST)
    assert low == []


# Text whose contrast with the nearest painted ground is below 4.5 (WCAG 2, 1.4.3).
CONTRAST = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map(Number).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour.startsWith("rgb(")) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.querySelectorAll("main *, header *")].filter((element) =>
    element.checkVisibility() && !element.closest(":disabled, #heat") &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return texts.flatMap((element) => {
    const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    return ratio < 4.5 ? [`${element.textContent.trim()} ${ratio.toFixed(2)}`] : [];
  });
}"""
