//! Classes of bytes: which kinds of byte a value contains, as one 64-bit mask.
//!
//! Every punctuation character has a class of its own; letters, digits and bytes above 0x7f share
//! one each. The mask of a value decides at once which transformations leave it alone and which
//! operators cannot match it.

use parapet_seclang::ast::Transformation;

/// A set of byte classes.
pub(crate) type ClassSet = u64;

/// All classes; every value meets it.
pub(crate) const ALL: ClassSet = u64::MAX;

const NUL: u32 = 0;
const CONTROL: u32 = 1;
const TAB: u32 = 2;
const LF: u32 = 3;
const CR: u32 = 4;
const VT_FF: u32 = 5;
const SPACE: u32 = 6;
/// The 32 punctuation characters of ASCII follow from here.
const PUNCTUATION: u32 = 7;
const DIGIT: u32 = 39;
const UPPER: u32 = 40;
const LOWER: u32 = 41;
const HIGH: u32 = 42;
/// The non-breaking space of Latin-1, which some transformations treat as white space.
const NBSP: u32 = 43;

/// The letter x in either case, without which there is no number in hexadecimal. It is a letter as well.
const X: u32 = 44;

/// Not a kind of byte: the value has none.
pub(crate) const EMPTY: ClassSet = 1 << 62;
/// Lower-case letters.
pub(crate) const LOWERCASE: ClassSet = 1 << LOWER;
/// Letters.
pub(crate) const LETTERS: ClassSet = 1 << LOWER | 1 << UPPER | 1 << X;
/// Letters and digits.
pub(crate) const ALPHANUMERIC: ClassSet = LETTERS | 1 << DIGIT;

const fn class_of(byte: u8) -> u32 {
    match byte {
        0 => NUL,
        b'\t' => TAB,
        b'\n' => LF,
        b'\r' => CR,
        0x0b | 0x0c => VT_FF,
        b' ' => SPACE,
        b'0'..=b'9' => DIGIT,
        b'A'..=b'Z' => UPPER,
        b'a'..=b'z' => LOWER,
        b'!'..=b'/' => PUNCTUATION + (byte - b'!') as u32,
        b':'..=b'@' => PUNCTUATION + 15 + (byte - b':') as u32,
        b'['..=b'`' => PUNCTUATION + 22 + (byte - b'[') as u32,
        b'{'..=b'~' => PUNCTUATION + 28 + (byte - b'{') as u32,
        0xa0 => NBSP,
        0x80.. => HIGH,
        _ => CONTROL,
    }
}

const MASKS: [ClassSet; 256] = {
    let mut masks = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        masks[byte] = 1 << class_of(byte as u8);
        if byte as u8 == b'x' || byte as u8 == b'X' {
            masks[byte] |= 1 << X;
        }
        byte += 1;
    }
    masks
};

/// The class of one byte, as a set.
pub(crate) fn of_byte(byte: u8) -> ClassSet {
    MASKS[usize::from(byte)]
}

/// The classes of all bytes of a value.
pub(crate) fn of(value: &[u8]) -> ClassSet {
    if value.is_empty() {
        return EMPTY;
    }
    // Four independent accumulators keep the loads from waiting for one another.
    let mut sets = [0u64; 4];
    let mut chunks = value.chunks_exact(4);
    for chunk in &mut chunks {
        for (set, byte) in sets.iter_mut().zip(chunk) {
            *set |= MASKS[usize::from(*byte)];
        }
    }
    let rest = chunks.remainder().iter().fold(0, |set, byte| set | MASKS[usize::from(*byte)]);
    sets[0] | sets[1] | sets[2] | sets[3] | rest
}

/// The classes of some bytes.
pub(crate) const fn of_all(bytes: &[u8]) -> ClassSet {
    let mut set = 0;
    let mut rest = bytes;
    while let [byte, others @ ..] = rest {
        set |= MASKS[*byte as usize];
        rest = others;
    }
    set
}

/// Classes without which a transformation leaves a value alone. [`ALL`]: no value is safe.
pub(crate) fn changing(transformation: Transformation) -> ClassSet {
    let white_space = of_all(b" \t\n\r\x0b\x0c\xa0");
    match transformation {
        Transformation::CmdLine => white_space | of_all(b"\\\"'^,;(/") | 1 << UPPER,
        Transformation::CompressWhitespace | Transformation::RemoveWhitespace => white_space,
        Transformation::CssDecode | Transformation::EscapeSeqDecode | Transformation::JsDecode => of_byte(b'\\'),
        Transformation::HtmlEntityDecode => of_byte(b'&'),
        Transformation::Lowercase => 1 << UPPER,
        Transformation::Uppercase => 1 << LOWER,
        Transformation::NormalizePath => of_all(b"/."),
        Transformation::NormalizePathWin => of_all(b"/.\\"),
        Transformation::RemoveComments => of_all(b"/*<!-#"),
        Transformation::RemoveCommentsChar => of_all(b"/*<!-#"),
        Transformation::ReplaceComments => of_all(b"/*"),
        Transformation::RemoveNulls | Transformation::ReplaceNulls => 1 << NUL,
        Transformation::SqlHexDecode => 1 << X,
        Transformation::Trim | Transformation::TrimLeft | Transformation::TrimRight => white_space,
        Transformation::UrlDecode | Transformation::UrlDecodeUni => of_all(b"%+"),
        Transformation::Utf8ToUnicode => 1 << HIGH | 1 << NBSP | 1 << NUL,
        _ => ALL,
    }
}

/// Kinds of bytes that a value may have after a transformation.
pub(crate) fn after(transformation: Transformation, before: ClassSet) -> ClassSet {
    match transformation {
        Transformation::Lowercase => before | LOWERCASE | EMPTY,
        Transformation::CompressWhitespace | Transformation::ReplaceNulls => before | 1 << SPACE | EMPTY,
        Transformation::RemoveNulls | Transformation::RemoveWhitespace => before | EMPTY,
        Transformation::CmdLine => before | LOWERCASE | 1 << SPACE | EMPTY,
        Transformation::NormalizePath => before | of_all(b"/.") | EMPTY,
        _ => ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_punctuation_character_has_its_own_class() {
        let mut seen = 0;
        for byte in (0u8..128).filter(u8::is_ascii_punctuation) {
            assert_eq!(seen & of_byte(byte), 0, "{byte}");
            seen |= of_byte(byte);
        }
        assert_eq!(seen & (ALPHANUMERIC | of_all(b" \t\n\r\0\x01\x7f\x80\xa0\xff")), 0);
    }

    #[test]
    fn a_value_has_the_classes_of_all_its_bytes() {
        assert_eq!(of(b""), EMPTY);
        for length in 1..20 {
            let value: Vec<u8> = (0..length).map(|i| b"a1 %/\x00\xff,"[i % 8]).collect();
            assert_eq!(of(&value), of_all(&value));
        }
    }

    #[test]
    fn no_other_kinds_of_bytes_come_out_of_a_transformation() {
        let mut random = crate::fuzzing::Random::new(5);
        let mut out = Vec::new();
        for transformation in Transformation::ALL {
            for _ in 0..3000 {
                let value: Vec<u8> =
                    (0..random.below(12)).map(|_| *random.pick(b"aZ0 \t\0\"'^,;(/.\\&|\xa0\xff")).collect();
                if crate::transformations::apply(*transformation, &value, &mut out) {
                    assert_eq!(of(&out) & !after(*transformation, of(&value)), 0, "{}", transformation.name());
                }
            }
        }
    }

    #[test]
    fn a_value_without_the_changing_classes_is_left_alone() {
        let mut out = Vec::new();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for transformation in Transformation::ALL {
            let changing = changing(*transformation);
            let quiet: Vec<u8> = (0..=255).filter(|byte| of_byte(*byte) & changing == 0).collect();
            if quiet.is_empty() {
                continue;
            }
            for _ in 0..3000 {
                let mut next = || {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 33) as usize
                };
                let value: Vec<u8> = (0..next() % 12).map(|_| quiet[next() % quiet.len()]).collect();
                assert!(
                    !crate::transformations::apply(*transformation, &value, &mut out) || out == value,
                    "{} changes {value:?} to {out:?}",
                    transformation.name()
                );
            }
        }
    }
}
