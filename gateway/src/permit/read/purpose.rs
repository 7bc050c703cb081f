//! Which of the numbers and words of a text is its purpose.

use arrayvec::ArrayVec;

use super::lexicon::Class;
use super::piece::{Piece, Spelt, letters};
use super::serial::Span;

/// What a text says of its purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// Nothing, or nothing that is sure.
    None,
    /// One purpose, and the piece that says so.
    One(u8, usize),
    /// Nothing, and something of the text is denied.
    Denied,
    /// More than one.
    Several,
    /// The serial has been dictated with one digit too many.
    DigitTooMany,
}

/// How well a candidate is known to be the purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// A word for "code" is beside it.
    Marked,
    /// It is before the serial, with nothing between that could change it.
    Before,
    /// It follows the serial at once.
    Behind,
    /// It follows the serial, with words between that say nothing, or in a later line.
    Later,
    /// It begins or ends the text or a line.
    Edge,
    /// A rank before the serial, which may be of something else: `birinci icazə`.
    Ranked,
    /// As [`Behind`](Self::Behind), but a word follows that it may count.
    BehindDoubtful,
    /// It may count what is beside it.
    Doubtful,
    /// The purpose's name.
    Named,
    /// A purpose's name elsewhere in the text.
    Mentioned,
}

/// A number or word that may be the purpose.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    value: u8,
    place: usize,
    evidence: Evidence,
}

/// Candidates of a text, at most: with more it has no purpose that is sure.
const CANDIDATES_MAX: usize = 16;

struct Search<'a> {
    pieces: &'a [Piece],
    /// Where the serial stands: more than once if it is repeated, nowhere if there is none.
    serials: &'a [Span],
    candidates: ArrayVec<Candidate, CANDIDATES_MAX>,
    /// What stands behind a word for "code" is no purpose, or there are too many candidates.
    spoiled: bool,
    corrects: bool,
    amends: bool,
    /// There is an example too, which may be what is denied.
    of_example: bool,
    gives: bool,
}

/// Finds the purpose of a request for the document that stands at `serials`; what stands before another
/// one, `example`, belongs to that one. `goes_on`: one digit more follows the serial.
pub(super) fn find(pieces: &[Piece], serials: &[Span], example: Option<Span>, goes_on: bool) -> Choice {
    let candidates = ArrayVec::new();
    let mut search = Search {
        pieces,
        serials,
        candidates,
        spoiled: false,
        corrects: false,
        amends: false,
        of_example: example.is_some(),
        gives: false,
    };
    search.gives = pieces.iter().any(|piece| piece.class() == Some(Class::Give));
    for (place, piece) in pieces.iter().enumerate() {
        if serials.iter().any(|&(first, last)| (first..=last).contains(&place)) {
            continue;
        }
        let of_example = example.is_some_and(|(first, last)| {
            (first..=last).contains(&place) || (place < first && search.all(place + 1..first))
        });
        if !of_example {
            search.look_at(place, piece);
        }
    }
    search.choose(goes_on)
}

impl Search<'_> {
    fn look_at(&mut self, place: usize, piece: &Piece) {
        let found = match piece.word() {
            None => piece.free().and_then(|digits| {
                let lone = digits.len == 1 || (digits.len == 2 && digits.leading_zero);
                if !lone {
                    // "kod 22"
                    self.spoiled |= digits.len == 2 && self.is_marked_before(place);
                    return None;
                }
                let value = digits.value as u8;
                Some((value, self.of_digit(place, value)?))
            }),
            Some(word) => self.of_word(place, word),
        };
        if let Some((value, evidence)) = found {
            self.spoiled |= self.candidates.try_push(Candidate { value, place, evidence }).is_err();
        }
    }

    fn of_digit(&self, place: usize, value: u8) -> Option<Evidence> {
        if value == 1 && self.is_article(place) {
            return Some(Evidence::Doubtful);
        }
        if self.is_marked(place, true) {
            return Some(Evidence::Marked);
        }
        let ordinal = self.pieces.get(place + 1).is_some_and(|next| {
            matches!(next.class(), Some(Class::Ordinal | Class::Numbered)) && next.gap.is_close()
        });
        let behind_it = self.pieces.get(place + 2);
        if ordinal && self.serial_before(place) && behind_it.is_some() {
            // "4-cü xəstəxana"
            return None;
        }
        if ordinal
            && behind_it.is_some_and(|next| next.word().is_some() && next.class() != Some(Class::Reason))
        {
            // "2-ci vəsiqə"
            return Some(Evidence::Ranked);
        }
        let counts = self.may_count(place);
        if self.before_serial(place) {
            return Some(Evidence::Before);
        }
        if let Some(last) = self.serial_behind(place) {
            let line = self.pieces.get(place).is_some_and(|piece| piece.gap.has_line());
            let mut between = self.pieces.get(last + 1..place).unwrap_or_default().iter();
            if between.all(|piece| piece.number().is_some()) && !line {
                return Some(if counts { Evidence::BehindDoubtful } else { Evidence::Behind });
            }
            if !counts {
                return Some(Evidence::Later);
            }
        }
        if counts || self.may_be_counted(place) {
            return Some(Evidence::Doubtful);
        }
        let before = place.checked_sub(1).and_then(|before| self.pieces.get(before));
        let other = before.is_some_and(|before| before.class() == Some(Class::Amend));
        let ahead = other || self.serials.iter().any(|&(first, _)| place < first);
        if self.is_at_edge(place) { Some(Evidence::Edge) } else { ahead.then_some(Evidence::Doubtful) }
    }

    /// Whether a negation is of the request: what it stands beside is.
    fn negates(&self, place: usize) -> bool {
        let next = self.pieces.get(place + 1);
        let unknown =
            |piece: &Piece| piece.word().is_some_and(|word| word.class.is_none() && !word.is_name());
        if next.is_some_and(|next| next.gap.is_close() && unknown(next)) {
            return false;
        }
        let of_request = |piece: &Piece| match piece.class() {
            None => piece.word().is_none(),
            Some(class) => matches!(
                class,
                Class::Code
                    | Class::Filler
                    | Class::Polite
                    | Class::Permit
                    | Class::Give
                    | Class::Ordinal
                    | Class::Count(_)
            ),
        };
        let before = place.checked_sub(1).and_then(|before| self.pieces.get(before));
        before.is_some_and(of_request) || next.is_some_and(of_request)
    }

    /// `1 icazə`, and `1 kod ver`.
    fn is_article(&self, place: usize) -> bool {
        let next = self.pieces.get(place + 1).filter(|next| next.gap.is_close());
        match next.and_then(Piece::class) {
            Some(Class::Permit) => true,
            Some(Class::Code) => self.gives && !self.is_marked_before(place),
            _ => false,
        }
    }

    /// A serial stands somewhere before.
    fn serial_before(&self, place: usize) -> bool {
        self.serials.iter().any(|&(_, last)| last < place)
    }

    /// A serial follows, with nothing between that could change the number.
    fn before_serial(&self, place: usize) -> bool {
        self.serials.iter().any(|&(first, _)| place < first && self.all(place + 1..first))
    }

    /// The last piece of the serial that stands before, with nothing between that could change the
    /// number.
    fn serial_behind(&self, place: usize) -> Option<usize> {
        let mut ends = self.serials.iter().map(|&(_, last)| last);
        ends.rfind(|&last| last < place && self.all(last + 1..place))
    }

    fn of_word(&mut self, place: usize, word: &Spelt) -> Option<(u8, Evidence)> {
        self.corrects |= word.class == Some(Class::Correction);
        self.amends |= matches!(word.class, Some(Class::Amend | Class::Negation));
        self.corrects |= word.class == Some(Class::Negation) && self.negates(place);
        // "2 AZE… ой 1", where `ой` ends no ordinal.
        let before = place.checked_sub(1).and_then(|before| self.pieces.get(before));
        let of_digit = before.is_some_and(|before| before.free().is_some());
        let attached = self.pieces.get(place).is_some_and(|piece| piece.gap.is_attached());
        self.amends |= word.class == Some(Class::Ordinal) && word.folded.1 == 2 && !attached && !of_digit;
        match word.class {
            Some(Class::Count(value)) => {
                let marked = self.is_marked_before(place) || self.is_numbered_code(place);
                let evidence = if marked { Some(Evidence::Marked) } else { self.of_outer(place) };
                Some((value, evidence?))
            }
            Some(Class::Rank(value)) => Some((value, self.of_rank(place)?)),
            _ => {
                if let Some(value) = word.purpose {
                    return Some((value, self.of_name(place)?));
                }
                Some((roman(word)?, self.of_rank(place)?))
            }
        }
    }

    /// The first or the last word of the text, touching the serial.
    fn of_outer(&self, place: usize) -> Option<Evidence> {
        if self.serials.is_empty() {
            let mut others = self.pieces.iter().enumerate().filter(|&(other, _)| other != place);
            let alone = others.all(|(_, piece)| {
                matches!(piece.class(), Some(Class::Code | Class::Filler | Class::Answer(_) | Class::Latin))
                    || piece.free().is_some_and(|digits| digits.len == 3)
            });
            return alone.then_some(Evidence::Edge);
        }
        let keywords = |place: usize| {
            let mut behind = self.pieces.get(place + 1..).unwrap_or_default().iter();
            behind.all(|piece| matches!(piece.class(), Some(Class::Answer(_) | Class::Latin)))
        };
        if place == 0 && self.serials.iter().any(|&(first, _)| first == 1) {
            return Some(Evidence::Before);
        }
        let touches = self.serials.iter().any(|&(_, last)| last + 1 == place);
        (touches && keywords(place)).then_some(Evidence::Behind)
    }

    /// `ikinci kod`, `вторая цель AZE…`
    fn of_rank(&self, place: usize) -> Option<Evidence> {
        if self.is_marked(place, false) {
            return Some(Evidence::Marked);
        }
        let reason = self.pieces.get(place + 1).is_some_and(|next| next.class() == Some(Class::Reason));
        let before = self.before_serial(place);
        if reason && before {
            return Some(Evidence::Before);
        }
        self.of_outer(place).or_else(|| before.then_some(Evidence::Ranked))
    }

    fn of_name(&self, place: usize) -> Option<Evidence> {
        let first = self.serials.iter().map(|&(first, _)| first).find(|&first| place < first);
        let beside = match (first, self.serials.last()) {
            (Some(first), _) => self.all(0..first),
            (None, Some(&(_, last))) => self.all(last + 1..self.pieces.len()),
            (None, None) => self.all(0..self.pieces.len()),
        };
        if beside {
            return Some(Evidence::Named);
        }
        // "Baku Medical Plaza" names no purpose.
        let proper = self.may_count(place) || self.may_be_counted(place);
        (!proper).then_some(Evidence::Mentioned)
    }

    /// Whether all of these pieces may stand within a request.
    fn all(&self, mut places: std::ops::Range<usize>) -> bool {
        places.all(|place| {
            self.pieces.get(place).is_some_and(|piece| match piece.word() {
                Some(word) => {
                    word.is_harmless() || matches!(word.class, Some(Class::Count(_) | Class::Rank(_)))
                }
                None => piece.free().is_some_and(|digits| digits.len <= 2) || piece.series().is_some(),
            })
        })
    }

    /// A word for "code" is beside it.
    fn is_marked(&self, place: usize, ordinal: bool) -> bool {
        let mut next = self.pieces.get(place + 1);
        if ordinal && next.is_some_and(|next| matches!(next.class(), Some(Class::Ordinal | Class::Numbered)))
        {
            next = self.pieces.get(place + 2);
        }
        let follows = next.is_some_and(|next| {
            next.class() == Some(Class::Code) && !next.gap.has_line() && next.word().is_some_and(|w| !w.hides)
        });
        follows || self.is_marked_before(place)
    }

    /// `iki nömrəli kod`
    fn is_numbered_code(&self, place: usize) -> bool {
        let class = |place: usize| self.pieces.get(place).and_then(Piece::class);
        class(place + 1) == Some(Class::Numbered) && class(place + 2) == Some(Class::Code)
    }

    fn is_marked_before(&self, place: usize) -> bool {
        let touches = self.pieces.get(place).is_some_and(|piece| piece.gap.is_none());
        let before = self.pieces.get(..place).unwrap_or_default().iter().rev();
        let mut before = before.skip_while(|piece| piece.class() == Some(Class::Filler));
        match before.next().and_then(Piece::class) {
            Some(Class::Code) => true,
            Some(Class::CodeLetter) => touches,
            _ => false,
        }
    }

    /// An unknown word follows, which the number may count.
    fn may_count(&self, place: usize) -> bool {
        let unknown = |next: &Piece| {
            let place_or_unknown = |word: &Spelt| {
                word.hides
                    || (word.class.is_none() && !word.is_harmless())
                    || matches!(word.class, Some(Class::Claim(_)))
            };
            next.word().is_some_and(place_or_unknown) && next.gap.is_close()
        };
        let mut next = self.pieces.get(place + 1);
        // "1 az çörək", where `az` is Azerbaijani for "little".
        if next.is_some_and(|next| matches!(next.class(), Some(Class::Answer(_)))) {
            next = self.pieces.get(place + 2);
        }
        if next.is_some_and(|next| next.class() == Some(Class::Ordinal)) {
            next = self.pieces.get(place + 2);
        }
        next.is_some_and(unknown)
    }

    /// An unknown word stands before it, which may have numbers: a street, a phone's model.
    fn may_be_counted(&self, place: usize) -> bool {
        let previous = place.checked_sub(1).and_then(|before| self.pieces.get(before));
        let unknown =
            previous.and_then(Piece::word).is_some_and(|word| word.class.is_none() && !word.is_name());
        unknown && self.pieces.get(place).is_some_and(|piece| piece.gap.is_none() || piece.gap.is_close())
    }

    fn is_at_edge(&self, place: usize) -> bool {
        let begins = place == 0 || self.pieces.get(place).is_some_and(|piece| piece.gap.has_line());
        let ends = self.pieces.get(place + 1).is_none_or(|next| next.gap.has_line());
        begins || ends
    }

    /// The values before the serial of which nothing is sure.
    fn ahead(&self) -> u32 {
        let unsure = self.candidates.iter().filter(|candidate| {
            matches!(candidate.evidence, Evidence::Edge | Evidence::Doubtful)
                && self.serials.iter().any(|&(first, _)| candidate.place < first)
        });
        unsure.fold(0, |values, candidate| values | 1 << candidate.value.min(31))
    }

    fn choose(&self, goes_on: bool) -> Choice {
        use Evidence::{
            Before, Behind, BehindDoubtful, Doubtful, Edge, Later, Marked, Mentioned, Named, Ranked,
        };
        let with = |kinds: &[Evidence]| {
            let these = self.candidates.iter().filter(|candidate| kinds.contains(&candidate.evidence));
            these.fold(0_u32, |values, candidate| values | 1 << candidate.value.min(31))
        };
        let numbers = with(&[Marked, Before, Behind, Later, Edge, BehindDoubtful, Doubtful, Ranked]);
        if goes_on && with(&[Marked, Before]) != 0 {
            return Choice::DigitTooMany;
        }
        if (self.corrects || self.amends) && numbers.count_ones() > 1 {
            return Choice::Several;
        }
        // Whoever denies something may mean the whole.
        if self.corrects && !self.of_example {
            return if numbers == 0 { Choice::Denied } else { Choice::None };
        }
        if self.spoiled {
            return Choice::None;
        }
        // The best evidence that there is, and what else must not contradict it.
        let (best, rivals): (Evidence, &[Evidence]) = if with(&[Marked]) != 0 {
            (Marked, &[Marked, Before, Behind, Ranked])
        } else if with(&[Before]) != 0 {
            (Before, &[Before, Behind, BehindDoubtful, Ranked])
        } else if with(&[Behind, BehindDoubtful]) != 0 {
            (Behind, &[Behind, BehindDoubtful])
        } else if with(&[Later]) != 0 {
            (Later, &[Later, Edge, Doubtful])
        } else if with(&[Edge]) != 0 {
            (Edge, &[Edge, Doubtful])
        } else {
            (Named, &[Named, Mentioned])
        };
        let ahead = if best == Before { self.ahead() } else { 0 };
        if (with(rivals) | ahead).count_ones() > 1 {
            return Choice::Several;
        }
        if best == Named && numbers != 0 {
            return Choice::None;
        }
        let chosen = self.candidates.iter().find(|candidate| candidate.evidence == best);
        let Some(&Candidate { value, place, .. }) = chosen else { return Choice::None };
        if with(&[Named, Mentioned]) & !(1 << value.min(31)) != 0 {
            return Choice::Several;
        }
        Choice::One(value, place)
    }
}

/// `II` and `III`. A single stroke may be many things.
fn roman(word: &Spelt) -> Option<u8> {
    let strokes = letters(word.folded).all(|letter| letter == b'I' - b'A' + 1);
    (strokes && (2..=3).contains(&word.folded.1)).then_some(word.folded.1 as u8)
}
