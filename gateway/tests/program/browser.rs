//! Chromium without a window, as a person uses it. What it is told goes to `tests/peers/browser.py` line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::peers::installed;
use crate::support::workspace;

pub(crate) struct Browser {
    process: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Where the gateway's pages are.
    base: String,
}

impl Browser {
    /// A fresh one for the pages at `http`, a host and a port.
    pub(crate) fn start(http: &str) -> Self {
        let mut process = Command::new(installed().join("venv/bin/python"))
            .arg(workspace().join("gateway/tests/peers/browser.py"))
            .arg(installed().join("node_modules/axe-core/axe.min.js"))
            .args(["/usr/bin/chromium", "/usr/bin/chromedriver"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, orders, answers, base: format!("http://{http}") }
    }

    fn order(&mut self, order: &Value) -> Value {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{order}: no answer"));
        assert!(answer.get("error").is_none(), "{answer}");
        answer["ok"].clone()
    }

    pub(crate) fn open(&mut self, path: &str) {
        let address = format!("{}{path}", self.base);
        self.order(&json!(["open", address]));
    }

    pub(crate) fn fill(&mut self, css: &str, text: &str) {
        self.order(&json!(["fill", css, text]));
    }

    pub(crate) fn click(&mut self, css: &str) {
        self.order(&json!(["click", css]));
    }

    /// Waits until the element's text holds `text`, and returns all of it.
    pub(crate) fn wait(&mut self, css: &str, text: &str) -> String {
        self.order(&json!(["wait", css, text])).as_str().unwrap().to_owned()
    }

    /// What a script on the page returns.
    pub(crate) fn run(&mut self, script: &str) -> Value {
        self.order(&json!(["run", script]))
    }

    /// Light or dark, and how many pixels wide.
    pub(crate) fn look(&mut self, scheme: &str, width: u32) {
        self.order(&json!(["look", scheme, width]));
    }

    /// Neither axe nor the browser itself holds anything against the page, and it came from us alone.
    pub(crate) fn holds(&mut self, what: &str) {
        let found = self.order(&json!(["axe"]));
        assert_eq!(found, json!([]), "{what}");
        let complaints = self.order(&json!(["complaints"]));
        assert_eq!(complaints, json!([]), "{what}");
        let script = "return performance.getEntriesByType('resource').map(entry => entry.name)";
        for resource in self.run(script).as_array().unwrap() {
            assert!(resource.as_str().unwrap().starts_with(&self.base), "{what}: {resource}");
        }
    }

    pub(crate) fn log_in(&mut self, token: &str) {
        self.open("/login");
        self.fill("#token", token);
        self.click("button.main");
    }
}

impl Drop for Browser {
    /// It ends with the orders.
    fn drop(&mut self) {
        self.orders.take();
        let _ = self.process.wait();
    }
}
