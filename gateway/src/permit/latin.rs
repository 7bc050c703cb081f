//! Azerbaijani and Russian in the letters of the GSM alphabet, for phones that show others as boxes.

/// Appends `text` with every letter that GSM lacks replaced. Azerbaijani ö, ü and Ç are in GSM and stay. A replacement
/// of two letters is written in capitals between capitals: `РАЗРЕШЕНО` becomes `RAZRESHENO`.
pub(crate) fn push(text: &str, out: &mut String) {
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match letters(c) {
            None => out.push(c),
            Some(latin) if latin.len() > 1 && c.is_uppercase() => {
                let capitals = before.is_some_and(char::is_uppercase)
                    || chars.peek().is_some_and(|next| next.is_uppercase());
                let case = |l: char| if capitals { l.to_ascii_uppercase() } else { l };
                out.extend(latin.chars().map(case));
            }
            Some(latin) => out.push_str(latin),
        }
        before = Some(c);
    }
}

/// What a letter becomes; `None` if it stays.
fn letters(c: char) -> Option<&'static str> {
    if c.is_ascii() {
        return None;
    }
    Some(match c {
        'ə' => "e",
        'Ə' => "E",
        'ı' => "i",
        'İ' => "I",
        'ş' => "sh",
        'Ş' => "Sh",
        'ç' => "ch",
        'ğ' => "g",
        'Ğ' => "G",
        '№' => "N",
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' => "g",
        'д' => "d",
        'е' | 'ё' | 'э' => "e",
        'ж' => "zh",
        'з' => "z",
        'и' => "i",
        'й' | 'ы' => "y",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "kh",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shch",
        'ъ' | 'ь' | 'Ъ' | 'Ь' => "",
        'ю' => "yu",
        'я' => "ya",
        'А' => "A",
        'Б' => "B",
        'В' => "V",
        'Г' => "G",
        'Д' => "D",
        'Е' | 'Ё' | 'Э' => "E",
        'Ж' => "Zh",
        'З' => "Z",
        'И' => "I",
        'Й' | 'Ы' => "Y",
        'К' => "K",
        'Л' => "L",
        'М' => "M",
        'Н' => "N",
        'О' => "O",
        'П' => "P",
        'Р' => "R",
        'С' => "S",
        'Т' => "T",
        'У' => "U",
        'Ф' => "F",
        'Х' => "Kh",
        'Ц' => "Ts",
        'Ч' => "Ch",
        'Ш' => "Sh",
        'Щ' => "Shch",
        'Ю' => "Yu",
        'Я' => "Ya",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use icaze_codec::text::gsm7;

    use super::*;

    fn latin(text: &str) -> String {
        let mut out = String::new();
        push(text, &mut out);
        out
    }

    #[test]
    fn azerbaijani_keeps_what_gsm_has() {
        assert_eq!(latin("İCAZƏ VAR: № 7K3M"), "ICAZE VAR: N 7K3M");
        assert_eq!(latin("şəxsi vəsiqə, çıxış, üzrə"), "shexsi vesiqe, chixish, üzre");
        assert_eq!(latin("Çörək, Şəki, Ağdaş"), "Çörek, Sheki, Agdash");
        assert_eq!(latin("LƏĞV, MƏŞQ"), "LEGV, MESHQ");
    }

    #[test]
    fn russian_is_transliterated() {
        assert_eq!(latin("РАЗРЕШЕНО: код 2"), "RAZRESHENO: kod 2");
        assert_eq!(latin("Щука, объявление, ещё, Юг, цех"), "Shchuka, obyavlenie, eshche, Yug, tsekh");
    }

    #[test]
    fn every_letter_of_both_languages_becomes_gsm() {
        let azerbaijani = "AaBbCcÇçDdEeƏəFfGgĞğHhXxIıİiJjKkQqLlMmNnOoÖöPpRrSsŞşTtUuÜüVvYyZz№";
        let russian = ('А'..='я').chain(['Ё', 'ё']).collect::<String>();
        for text in [azerbaijani, &russian] {
            assert!(gsm7::septets(&latin(text)).is_some(), "{text}");
        }
    }
}
