"""Chromium without a window, told what to do line by line. See README.md for how it is called."""

import base64
import json
import sys
import tempfile

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

PATIENCE_S = 30
# What root, a small machine and a test without the internet need.
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
    --disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars""".split()
# WCAG 2.2 AA and what it is built upon.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


class Browser:
    """Each method is a command; what it returns is the answer."""

    def __init__(self, driver, axe):
        self.driver = driver
        self.axe_source = axe

    def open(self, address):
        self.driver.get(address)

    def one(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def act(self, css, action):
        """Once it can be done: the page may be changing just now."""

        def done(_):
            try:
                action(self.one(css))
            except StaleElementReferenceException:
                return False
            except WebDriverException as error:
                # The same, in the inspector's words.
                if "does not belong to the document" not in str(error):
                    raise
                return False
            return True

        WebDriverWait(self.driver, PATIENCE_S).until(done, css)

    def fill(self, css, text):
        self.act(css, lambda field: field.clear() or field.send_keys(text))

    def click(self, css):
        self.act(css, lambda element: element.click())

    def press(self, css, keys):
        self.act(css, lambda element: element.send_keys(keys))

    def text(self, css):
        return self.one(css).text

    def wait(self, css, text):
        """Until the element's text holds `text`; the whole of it."""
        wanted = WebDriverWait(self.driver, PATIENCE_S, ignored_exceptions=[Exception])
        return wanted.until(lambda _: (lambda found: text in found and (found or " "))(self.text(css)), text)

    def run(self, script):
        return self.driver.execute_script(script)

    def look(self, scheme, width):
        """As in a light or a dark room, on a screen so wide."""
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def axe(self):
        """What axe holds against the page: rule, why, and where."""
        self.driver.execute_script(self.axe_source)
        options = json.dumps({"runOnly": {"type": "tag", "values": RULES}})
        found = self.driver.execute_async_script(
            f"const done = arguments[0]; axe.run(document, {options}).then(done, error => done(String(error)));"
        )
        if isinstance(found, str):
            raise RuntimeError(found)
        return [f"{v['id']}: {v['help']}: {n['html']}: {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]

    def complaints(self):
        """What the browser itself held against the page, its Content-Security-Policy among it."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]

    def picture(self, path):
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))


def main():
    axe, chromium, driver = sys.argv[1:]
    with open(axe, encoding="utf-8") as file:
        source = file.read()
    with tempfile.TemporaryDirectory() as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as chrome:
            browser = Browser(chrome, source)
            for line in sys.stdin:
                name, *arguments = json.loads(line)
                try:
                    answer = {"ok": getattr(browser, name)(*arguments)}
                except Exception as error:
                    answer = {"error": f"{name} {arguments}: {error}"}
                print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
