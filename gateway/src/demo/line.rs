//! The line that is being typed.

/// Keys in, text out: as much of a line editor as an SMS needs.
#[derive(Debug, Default)]
pub struct Line {
    text: String,
    /// The first bytes of a character.
    partial: Vec<u8>,
    escape: Escape,
}

/// Within the sequence of an arrow or function key, which the line does not know.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Escape {
    #[default]
    No,
    Begun,
    Sequence,
}

const BACKSPACE: [char; 2] = ['\u{8}', '\u{7f}'];
const CLEAR: char = '\u{15}';
const WORD: char = '\u{17}';
const ESCAPE: char = '\u{1b}';

impl Line {
    /// Characters of a line, at most: what is typed beyond is ignored.
    pub const CHARS_MAX: usize = 600;

    /// Takes bytes as the terminal sends them. Returns the lines that Enter has ended, without empty ones.
    pub fn typed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.partial.extend_from_slice(bytes);
        let bytes = std::mem::take(&mut self.partial);
        let mut lines = Vec::new();
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|key| lines.extend(self.key(key)));
            self.partial.clear();
            self.partial.extend_from_slice(chunk.invalid());
        }
        // What can still become a character waits for the rest of it.
        if std::str::from_utf8(&self.partial).is_err_and(|error| error.error_len().is_some()) {
            self.partial.clear();
        }
        lines
    }

    /// What has been typed so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    fn key(&mut self, key: char) -> Option<String> {
        match (self.escape, key) {
            (_, ESCAPE) => self.escape = Escape::Begun,
            (Escape::Begun, '[' | 'O') => self.escape = Escape::Sequence,
            (Escape::Begun, _) => self.escape = Escape::No,
            (Escape::Sequence, '\u{40}'..='\u{7e}') => self.escape = Escape::No,
            (Escape::Sequence, _) => {}
            (Escape::No, '\r' | '\n') => {
                let line = std::mem::take(&mut self.text);
                return Some(line).filter(|line| !line.trim().is_empty());
            }
            (Escape::No, CLEAR) => self.text.clear(),
            (Escape::No, WORD) => {
                let end = self.text.trim_end().rfind(' ').map_or(0, |space| space + 1);
                self.text.truncate(end);
            }
            (Escape::No, key) if BACKSPACE.contains(&key) => drop(self.text.pop()),
            (Escape::No, key) => {
                if !key.is_control() && self.text.chars().count() < Self::CHARS_MAX {
                    self.text.push(key);
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_may_come_in_halves() {
        let mut line = Line::default();
        for byte in "2 AZƏ ş🙏".bytes() {
            assert!(line.typed(&[byte]).is_empty());
        }
        assert_eq!(line.text(), "2 AZƏ ş🙏");
        assert_eq!(line.typed(b"\n"), ["2 AZƏ ş🙏"]);
        assert_eq!(line.text(), "");
    }

    #[test]
    fn mistakes_are_taken_back() {
        let mut line = Line::default();
        line.typed("2 AZƏ\u{7f}E1".as_bytes());
        assert_eq!(line.text(), "2 AZE1");
        line.typed(b"\x17");
        assert_eq!(line.text(), "2 ");
        line.typed(b"\x15");
        assert_eq!(line.text(), "");
        line.typed(b"\x7f\x17");
        assert_eq!(line.text(), "");
    }

    #[test]
    fn arrows_and_broken_bytes_leave_nothing() {
        let mut line = Line::default();
        line.typed(b"a\x1b[A\x1b[1;5Cb\x1bOPc\xff\x01d");
        assert_eq!(line.text(), "abcd");
    }

    #[test]
    fn pasted_lines_are_several_and_a_line_is_bounded() {
        let mut line = Line::default();
        assert_eq!(line.typed(b"one\r\n\n  \ntwo\nthr"), ["one", "two"]);
        line.typed("x".repeat(2 * Line::CHARS_MAX).as_bytes());
        assert_eq!(line.text().len(), Line::CHARS_MAX);
    }
}
