//! Lower-case hexadecimal digits, eight at a time.

/// The number that eight lower-case hexadecimal digits spell; `None` where they are anything else.
#[inline]
pub(crate) fn eight(digits: &[u8; 8]) -> Option<u32> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let text = u64::from_be_bytes(*digits);
    // letters have bit 6 and count from 1, digits count from 0
    let letters = (text >> 6) & ONES;
    let values = (text & (0x0f * ONES)).wrapping_add(letters * 9) & (0x0f * ONES);
    // spelled again it must be the same: that is the whole check
    let tens = ((values + 0x06 * ONES) >> 4) & ONES;
    if values + 0x30 * ONES + tens * 0x27 != text {
        return None;
    }
    let pairs = (values | (values >> 4)) & 0x00ff_00ff_00ff_00ff;
    let fours = (pairs | (pairs >> 8)) & 0x0000_ffff_0000_ffff;
    Some((fours | (fours >> 16)) as u32)
}

/// The number that 32 of them spell.
#[inline]
pub(crate) fn thirty_two(digits: &[u8; 32]) -> Option<u128> {
    let (eights, _) = digits.as_chunks::<8>();
    eights.iter().try_fold(0, |number, digits| {
        Some((number << 32) | u128::from(eight(digits)?))
    })
}

/// The UUID that is written here in its usual form, in lower case.
#[inline]
pub(crate) fn uuid(text: &[u8; 36]) -> Option<[u8; 16]> {
    let hyphens = [8, 13, 18, 23].iter().all(|at| text[*at] == b'-');
    let mut digits = [0; 32];
    digits[..8].copy_from_slice(&text[..8]);
    digits[8..12].copy_from_slice(&text[9..13]);
    digits[12..16].copy_from_slice(&text[14..18]);
    digits[16..20].copy_from_slice(&text[19..23]);
    digits[20..].copy_from_slice(&text[24..]);
    let number = thirty_two(&digits)?;
    hyphens.then(|| number.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn no_byte_is_taken_for_a_digit_that_is_none() {
        for at in 0..8 {
            for byte in 0..=u8::MAX {
                let mut text = *b"0a9f1e8b";
                text[at] = byte;
                let expected = matches!(byte, b'0'..=b'9' | b'a'..=b'f').then(|| {
                    let text = std::str::from_utf8(&text).unwrap();
                    u32::from_str_radix(text, 16).unwrap()
                });
                assert_eq!(eight(&text), expected, "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u128) {
            let digits = format!("{number:032x}");
            prop_assert_eq!(thirty_two(digits.as_bytes().as_array().unwrap()), Some(number));
            let written = uuid::Uuid::from_u128(number).to_string();
            prop_assert_eq!(uuid(written.as_bytes().as_array().unwrap()), Some(number.to_be_bytes()));
        }

        #[test]
        fn a_uuid_with_another_byte_is_none(number: u128, at in 0..36_usize, byte: u8) {
            let mut written = uuid::Uuid::from_u128(number).to_string().into_bytes();
            written[at] = byte;
            let ours = uuid(written.as_slice().as_array().unwrap());
            let theirs = std::str::from_utf8(&written).ok().and_then(|text| {
                let uuid = uuid::Uuid::parse_str(text).ok()?;
                (uuid.to_string() == text).then(|| uuid.into_bytes())
            });
            prop_assert_eq!(ours, theirs);
        }
    }
}
