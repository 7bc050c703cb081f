//! Which groups of digits make one number, and which only stand beside each other.

use arrayvec::ArrayVec;

use super::lexicon::Class;
use super::piece::{Digits, Piece, Role};

/// Groups that were put together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grouped {
    pub(super) value: u64,
    /// How many digits.
    pub(super) len: usize,
    /// The last piece.
    pub(super) last: usize,
    /// As many digits as were needed, but grouped as nobody groups one number.
    pub(super) doubtful: bool,
    /// Digit by digit, and one more digit follows in the same way.
    pub(super) goes_on: bool,
}

/// Digits of the longest number.
const DIGITS_MAX: usize = 9;

/// How people group numbers of eight and of seven digits, beside equal groups.
const GROUPINGS: [&[usize]; 12] = [
    &[4, 4],
    &[2, 6],
    &[2, 3, 3],
    &[3, 3, 2],
    &[2, 2, 4],
    &[4, 2, 2],
    &[3, 4],
    &[4, 3],
    &[3, 2, 2],
    &[2, 2, 3],
    &[1, 3, 3],
    &[2, 5],
];

/// Groups of one number, as far as they have been taken.
struct Groups {
    sizes: ArrayVec<usize, DIGITS_MAX>,
    /// What separates them.
    mark: Option<char>,
    /// A line ends between two of them.
    line: bool,
    whole: Grouped,
}

/// The digits at `at` and behind, of which `needed` make a number; `None` if there are none, or one
/// that is no number by itself: the 2 of "aa 2 AZE…".
pub(super) fn read(pieces: &[Piece], at: usize, needed: usize) -> Option<Grouped> {
    let Some(first) = pieces.get(at)?.number() else { return dictated(pieces, at, needed) };
    if matches!(first.role, Role::Time | Role::Phone | Role::Serial) {
        return None;
    }
    let mut groups = Groups::new(first, at);
    let alone = groups.whole;
    while groups.whole.len < needed && groups.take_next(pieces) {}
    if groups.whole.len != needed {
        let attempt = groups.sizes.len() > 2;
        return (first.len > 1 || attempt).then_some(if attempt { groups.whole } else { alone });
    }
    if groups.sizes.len() == 1 {
        return Some(alone);
    }
    groups.judge(pieces).or(Some(alone))
}

/// Groups of one number that has no series: `2000 0001`. Three groups of seven digits are not,
/// because telephone numbers are written so.
pub(super) fn bare(pieces: &[Piece], at: usize) -> Option<Grouped> {
    let first = pieces.get(at)?.free()?;
    [8, 7].into_iter().find_map(|needed| {
        let mut groups = Groups::new(first, at);
        while groups.whole.len < needed && groups.take_next(pieces) {}
        let sizes = groups.sizes.clone();
        let few = sizes.len() > 1 && (needed == 8 || sizes.as_slice() == [3, 4]);
        if groups.whole.len != needed || !few || !is_usual(&sizes) {
            return None;
        }
        // Digit by digit there must be no more of them, nor may they be of something else.
        let more =
            first.len == 1 && pieces.get(groups.whole.last + 1).is_some_and(|next| next.free().is_some());
        if more || (first.len == 1 && sizes.len() != needed) {
            return None;
        }
        let year = |value: u64| (1900..=2029).contains(&value);
        let years = sizes.as_slice() == [4, 4]
            && year(groups.whole.value / 10_000)
            && year(groups.whole.value % 10_000);
        groups.judge(pieces).filter(|_| !years)
    })
}

/// Whether people group one number so.
fn is_usual(sizes: &[usize]) -> bool {
    let equal = sizes.first().is_some_and(|first| sizes.iter().all(|size| size == first));
    equal || GROUPINGS.contains(&sizes)
}

impl Groups {
    fn new(first: &Digits, at: usize) -> Self {
        let &Digits { value, len, .. } = first;
        Self {
            sizes: [len].into_iter().collect(),
            mark: None,
            line: false,
            whole: Grouped { value, len, last: at, doubtful: false, goes_on: false },
        }
    }

    /// Takes the next group, if it can belong to the same number.
    fn take_next(&mut self, pieces: &[Piece]) -> bool {
        let Some(piece) = pieces.get(self.whole.last + 1) else { return false };
        let Some((mark, digits)) = piece.gap.grouping().zip(piece.number()) else { return false };
        // The bar may be a 1, and colons are of times.
        let same = self.mark.is_none_or(|known| known == mark) && !matches!(mark, '|' | ':');
        let apart = match digits.role {
            Role::Free => false,
            // Groups may look like a date: "20.12.10.01".
            Role::Date => !piece.gap.is(mark) || mark == ' ',
            _ => true,
        };
        if !same
            || apart
            || piece.gap.has_lines()
            || self.whole.len + digits.len > DIGITS_MAX
            || self.sizes.is_full()
        {
            return false;
        }
        self.mark = Some(mark);
        self.line |= piece.gap.has_line();
        self.sizes.push(digits.len);
        self.whole.value = self.whole.value * 10_u64.pow(digits.len as u32) + digits.value;
        self.whole.len += digits.len;
        self.whole.last += 1;
        true
    }

    /// Whether the groups, which have the right number of digits, are one number: `None` if not.
    fn judge(mut self, pieces: &[Piece]) -> Option<Grouped> {
        let sizes = self.sizes.as_slice();
        let (&first, &last) = sizes.first().zip(sizes.last())?;
        let by_digit = sizes.iter().all(|&size| size == 1);
        let usual = is_usual(sizes);
        if self.line && (sizes.len() != 2 || first.abs_diff(last) > 1) {
            return None;
        }
        if !usual && (last == 1 || self.line) {
            return None;
        }
        let is_year = last == 4 && (1920..=2029).contains(&(self.whole.value % 10_000));
        self.whole.doubtful = !usual || is_year;
        let next = pieces.get(self.whole.last + 1);
        let next = next.filter(|next| next.gap.grouping() == self.mark && !next.gap.has_line());
        if let Some(next) = next.and_then(Piece::free) {
            let is_year = next.len == 4 && (1900..=2029).contains(&next.value);
            if next.len > 1 && !is_year && !(next.len == 2 && next.leading_zero) {
                return None;
            }
            self.whole.goes_on = by_digit && next.len == 1;
        }
        Some(self.whole)
    }
}

/// A number that was dictated: `iki sıfır sıfır …`. The last word is not of it if a word behind counts
/// with it.
pub(super) fn dictated(pieces: &[Piece], at: usize, needed: usize) -> Option<Grouped> {
    let (mut value, mut len, mut last_digit) = (0, 0_usize, 0);
    for piece in pieces.iter().skip(at) {
        let Some(Class::Count(digit)) = piece.class() else { break };
        if len > 0 && !piece.gap.is_close() {
            break;
        }
        len += 1;
        last_digit = digit;
        value = (value * 10 + u64::from(digit)) % 1_000_000_000;
    }
    // One word is a purpose: "AZE iki".
    let last = at + len.checked_sub(1).filter(|_| len > 1)?;
    let next = pieces.get(last + 1).filter(|next| next.gap.is_close());
    let next = next.and_then(Piece::word);
    let counts = next.is_some_and(|word| {
        matches!(word.class, Some(Class::Claim(_) | Class::Numbered | Class::Permit)) || !word.is_harmless()
    });
    // "bir" is an article too.
    let article = last_digit == 1 && next.is_some();
    if counts {
        len -= 1;
        value /= 10;
    }
    Some(Grouped { value, len, last, doubtful: len != needed || article, goes_on: false })
}
