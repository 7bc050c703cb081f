//! The words that matter in a request, in the three languages and as they are misspelt.

use std::sync::LazyLock;

use icaze_store::ledger::Language;

use super::glyph::Glyph;
use super::token::Word;

/// What a word does to the text around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The number after it is the purpose: `kod 2`.
    Mark,
    /// It may stand between a series or a mark and its number: `nömrə`.
    Filler,
    /// A number on this side belongs to it: a measure, a time, a date, an address.
    Claim(Side),
    /// The number before it is an ordinal: `2-ci`.
    Ordinal,
    /// A number in letters: `iki`.
    Count(u8),
    /// The language to answer in.
    Answer(Language),
    /// Latin letters in the answer.
    Latin,
    /// It asks for something else than a permit, and does so anywhere in a text: `LƏĞV`, `STATUS`. `KÖMƏK` is not
    /// among these: people write it in requests too, and alone it is answered with help as any other word.
    Command,
}

/// Where a word's number stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `3 nəfər`.
    Before,
    /// `mənzil 5`.
    After,
    /// `2 saat`, `saat 2`.
    Either,
}

use Meaning::{Answer, Claim, Command, Count, Filler, Latin, Mark, Ordinal};
use Side::{After, Either};

/// `*` ends a stem: the word may go on.
const WORDS: &[(Meaning, &str)] = &[
    (Mark, "kod* cod code* koud* kood* kot код* index* indeks* indek indx индекс* bənd* пункт* punkt*"),
    (
        Mark,
        "kateqori* kategori* category категори* məqsəd* цель цели purpose* səbəb* причин* reason* variant*",
    ),
    (Filler, "nömrə* nömre* nomer* номер* n no nr num* seri* сери* s sn"),
    (Claim(Either), "saat* sahat* час часа часов часик* hour* hr hrs mərtəbə* этаж* floor"),
    (
        Claim(Either),
        "yanvar* fevral* mart* aprel* mayın iyun* iyul* avqust* sentyabr* oktyabr* noyabr* dekabr*",
    ),
    (Claim(Either), "январ* апрел* мая июн* июл* август* сентябр* октябр* ноябр*"),
    (Claim(Either), "january february april june july august september october november december"),
    (
        Claim(Side::Before),
        "dəqiqə* dəq минут* мин minute* min mins gün günə günlük gündə gündür gündən həftə*",
    ),
    (Claim(Side::Before), "день дня дней day days недел* week* ay il ildə kq km metr* manat* azn may"),
    (Claim(Side::Before), "nəfər* человек* people persons ədəd* dənə* штук* yaş yaşlı yaşım yaşında yaşda"),
    (Claim(Side::Before), "dəfə* раз раза times mikrorayon* mkr микрорайон* мкр"),
    (Claim(After), "ev mənzil* bina* blok* korpus* küçə* otaq* дом дома кв kv квартир* улиц* ул корпус*"),
    (Claim(After), "flat apartment apt house street"),
    (Ordinal, "ci cu nci ncu inci uncu nd st rd th ый ой го"),
    (Count(0), "sıfır ноль zero"),
    (Count(1), "bir birinci* один одна одно перв* one first"),
    (Count(2), "iki ikinci* два две втор* two second"),
    (Count(3), "üç uch üçüncü* три трет* three third"),
    (Count(4), "dörd dördüncü* dört четыре четверт* four fourth"),
    (Count(5), "beş besh beşinci* пят* five fifth"),
    (Count(6), "altı altıncı* шест* six sixth"),
    (Count(7), "yeddi yedi yeddinci* yedinci* семь седьм* seven seventh"),
    (Count(8), "səkkiz sekiz səkkizinci* восемь восьм* eight eighth"),
    (Count(9), "doqquz dokuz doqquzuncu* девят* nine ninth"),
    (Answer(Language::Az), "az"),
    (Answer(Language::En), "en eng english"),
    (Answer(Language::Ru), "ru rus ру рус русск*"),
    (Latin, "lat latin*"),
    (Command, "ləğv* cancel* отмен* iptal* status* статус*"),
];

#[derive(Debug, PartialEq)]
struct Entry {
    head: u64,
    len: usize,
    stem: bool,
    meaning: Meaning,
}

/// Sorted. No entry begins with a stem, so that the last entry that is not after a word is the only one that can match.
static ENTRIES: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let words = WORDS.iter().flat_map(|(meaning, list)| list.split(' ').map(|word| (*meaning, word)));
    let mut entries: Vec<Entry> = words.map(|(meaning, word)| Entry::new(meaning, word)).collect();
    entries.sort_by_key(|entry| (entry.head, entry.len));
    entries.dedup();
    entries
});

impl Entry {
    fn new(meaning: Meaning, text: &str) -> Self {
        let stem = text.ends_with('*');
        let mut word = Word::EMPTY;
        for c in text.chars() {
            if let Glyph::Letter(letter, script) = Glyph::of(c) {
                word.push(letter, script);
            }
        }
        Self { head: word.head, len: word.len, stem, meaning }
    }

    fn matches(&self, word: &Word) -> bool {
        word.prefix(self.len) == self.head && (word.len == self.len || (self.stem && word.len > self.len))
    }
}

impl Meaning {
    pub(super) fn of(word: &Word) -> Option<Self> {
        let after = ENTRIES.partition_point(|entry| entry.head <= word.head);
        let entry = ENTRIES.get(after.checked_sub(1)?)?;
        let meaning = entry.matches(word).then_some(entry.meaning)?;
        // Russian has no such words, and Azerbaijani "ən" is not English.
        (word.ascii || !matches!(meaning, Answer(Language::En | Language::Az))).then_some(meaning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_entry_hides_another() {
        for pair in ENTRIES.windows(2) {
            let [first, second] = pair else { unreachable!() };
            assert!(first.head < second.head, "two meanings for one word: {first:?} {second:?}");
        }
        for entry in ENTRIES.iter() {
            assert!(entry.len < 12, "{entry:?} may be cut short");
            let word = Word { head: entry.head, len: entry.len, ..Word::EMPTY };
            let stems = ENTRIES.iter().filter(|other| other.matches(&word)).count();
            assert_eq!(stems, 1, "{entry:?} lies within a stem");
        }
    }

    #[test]
    fn words_are_found_by_stem_or_whole() {
        let meaning = |text: &str| {
            let Entry { head, len, .. } = Entry::new(Mark, text);
            Meaning::of(&Word { head, len, ..Word::EMPTY })
        };
        assert_eq!(meaning("kodumuzdakılardan"), Some(Mark));
        assert_eq!(meaning("KOD"), Some(Mark));
        assert_eq!(meaning("ko"), None);
        assert_eq!(meaning("iki"), Some(Count(2)));
        assert_eq!(meaning("ikimiz"), None);
        assert_eq!(meaning("ikincisi"), Some(Count(2)));
        assert_eq!(meaning("два"), meaning("dva"));
        assert_eq!(meaning("şənbə"), None);
    }
}
