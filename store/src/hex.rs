//! Bytes as hexadecimal digits.

/// Two digits for each byte.
pub(crate) fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS.get(usize::from(value)).map_or('0', |&digit| char::from(digit));
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of so many digits; `None` if it has an odd number of them, or others than `0` to `9`, `a` to `f` and `A` to `F`.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits.chunks_exact(2).map(|pair| Some(value(*pair.first()?)? * 16 + value(*pair.last()?)?)).collect()
}

/// Exactly `N` bytes.
pub(crate) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_comes_back_and_the_rest_is_refused() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)), Some(bytes));
        assert_eq!((encode(&[0, 10, 255]), decode("0AfF")), ("000aff".to_owned(), Some(vec![10, 255])));
        assert_eq!([decode("0"), decode("0g"), decode("+1")], [None, None, None]);
        assert_eq!(decode_array::<2>("0aff"), Some([10, 255]));
        assert_eq!(decode_array::<3>("0aff"), None);
    }
}
