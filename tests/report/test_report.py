"""`twins report`: one page that needs nothing else, for eyes, keys and screen readers."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

from attention_twins.cli import main
from benchmarks.report.collect import collect

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


class Page(HTMLParser):
    """Every tag with its attributes, in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], text
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def all(self, *names):
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The report of the records that the project comes with, read from a path wider than a phone."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    results = path.parent / ("wide" * 20)
    results.symlink_to(ROOT / "results")
    assert main(["report", "--results", str(results), "--out", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def page(path):
    return Page(path.read_text(encoding="utf-8"))


def test_every_kind_of_record_has_a_section(page):
    sections = [section["id"] for section in page.all("section")]
    speed = ["speed", "speed-1", "speed-2", "speed-3"]
    assert sections == ["layer", "run", "run-5", "proof", *speed, "study", "attention", "data"]
    links = {link["href"] for link in page.all("a")}
    assert links == {"#content", *(f"#{name}" for name in sections)}


def test_nothing_is_fetched_from_anywhere(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name) or ""
            assert not value or value.startswith(("data:", "#")), (tag, value[:80])
    assert "@import" not in page.text and "url(" not in page.text
    (policy,) = (m["content"] for m in page.all("meta") if m.get("http-equiv"))
    assert policy.startswith("default-src 'none'; img-src data:")


def test_what_is_not_seen_can_be_heard(page):
    assert page.all("html")[0]["lang"] == "en"
    assert len(page.all("img")) >= 6
    for image in page.all("img"):
        assert len(image["alt"]) > 20
    assert len(page.all("table")) == len(page.all("caption")) > 10
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in zip(headings, headings[1:], strict=False))
    assert page.all("svg")[0]["role"] == "img" and page.all("label")
    assert all(attributes.get("scope") for attributes in page.all("th"))


def test_values_cannot_break_out_of_the_page(path, page):
    (data,) = re.findall(r'id="attention-data">(.*?)</script>', page.text, re.DOTALL)
    arms = json.loads(data)
    assert arms and all(len(start["alpha"]) == 20 for arm in arms for start in arm["starts"])
    for arm in arms:
        for start in arm["starts"]:
            assert sum(start["alpha"]) == pytest.approx(1, abs=1e-3)


def test_only_what_is_there_is_shown(tmp_path):
    folder = tmp_path / "results"
    shutil.copytree(ROOT / "results" / "tutorial-float32", folder / "one")
    (folder / "broken.json").write_text("{")
    (folder / "other.json").write_text('{"command": "run"}')
    out = tmp_path / "r.html"
    assert main(["report", "--results", str(folder), "--out", str(out)]) == 0
    page = Page(out.read_text(encoding="utf-8"))
    assert [section["id"] for section in page.all("section")] == ["layer", "run"]


def test_the_latest_of_each_kind_is_shown(tmp_path):
    for name, started in (("a", "2026-01-02"), ("b", "2026-01-03"), ("c", "2026-01-01")):
        shutil.copytree(ROOT / "results" / "tutorial-float32", tmp_path / name)
        record = json.loads((tmp_path / name / "record.json").read_text())
        (tmp_path / name / "record.json").write_text(json.dumps(record | {"started": started}))
    found = collect(tmp_path)
    assert found.runs[1]["started"] == "2026-01-03" and not found.benches and not found.study


def test_the_longest_certificate_comes_first(tmp_path):
    for name, started, steps in (("a", "2026-01-02", 24_780), ("b", "2026-01-03", 1000)):
        content = {
            "command": "check",
            "rows": [1],
            "started": started,
            "cases": [{"steps": steps, "model": "rnn"}],
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    (found,) = collect(tmp_path).checks.values()
    assert found["started"] == "2026-01-02"


def test_a_network_is_certified_once(tmp_path):
    """By the certificate of most steps, then of most networks; others only for what they add."""
    several = {"both": (1000, "rnn", "gru"), "gru": (1000, "gru"), "conv": (10, "conv")}
    for name, (steps, *models) in (several | {"short": (10, "rnn")}).items():
        cases = [{"steps": steps, "model": model} for model in models]
        content = {"command": "check", "rows": [1], "started": name, "cases": cases}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    found = collect(tmp_path).checks
    assert {models: record["started"] for models, record in found.items()} == {
        "rnn, gru": "both",
        "conv": "conv",
    }
    assert [*found] == ["rnn, gru", "conv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--results", "none"], "results must be a folder, got 'none'"),
        (["--results", "EMPTY"], "results must hold a record, got"),
        (
            ["--results", "RESULTS", "--out", "/dev/null/x"],
            "out must be a file that can be written",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, options, message):
    places = {"EMPTY": str(tmp_path), "RESULTS": str(ROOT / "results" / "tutorial-float32")}
    assert main(["report", *(places.get(option, option) for option in options)]) == 2
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1


@pytest.fixture(scope="module")
def browser(path, tmp_path_factory):
    """The page in headless Chromium; every request and every word on the console is kept."""
    if not CHROMIUM or not shutil.which("chromedriver"):
        pytest.skip("there is no Chromium")
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    flags = "headless=new no-sandbox disable-gpu disable-quic no-first-run disable-sync"
    for flag in (*flags.split(), "disable-background-networking", "disable-component-update"):
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    driver.get(path.as_uri())
    yield driver
    driver.quit()


def test_no_error_and_no_request_in_a_browser(browser, path):
    assert browser.title == "attention-twins"
    assert [entry["message"] for entry in browser.get_log("browser")] == []
    requests = [
        json.loads(entry["message"])["message"]["params"]
        for entry in browser.get_log("performance")
        if '"Network.requestWillBeSent"' in entry["message"]
    ]
    # Chromium has opened an empty tab of its own before.
    sent = [r["request"]["url"] for r in requests if r["documentURL"] == path.as_uri()]
    assert path.as_uri() in sent and len(sent) > 5
    assert all(url.startswith(("data:", path.as_uri())) for url in sent)


def test_start_is_chosen_by_keyboard(browser):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    before = browser.find_element(By.ID, "weights-text").text
    assert (
        "largest weight" in before
        and len(browser.find_elements(By.CSS_SELECTOR, "#weights rect")) == 20
    )
    browser.find_element(By.ID, "start").send_keys(Keys.ARROW_DOWN)
    after = browser.find_element(By.ID, "weights-text").text
    assert after != before and "seed 1" in after


@pytest.mark.parametrize(
    ("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)]
)
def test_fits_a_phone_and_a_desk_by_day_and_by_night(browser, width, dark):
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    back = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert back == ("rgb(13, 17, 23)" if dark else "rgb(255, 255, 255)")
