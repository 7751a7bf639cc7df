//! Which ASCII byte a Unicode character becomes on a server that maps characters to the nearest one.
//!
//! Source: the best-fit behaviour of Windows code page 20127 (US-ASCII), the page that ModSecurity's
//! recommended configuration names, and the full-width forms U+FF01 to U+FF5E.

/// First character of [`LATIN`].
const LATIN_FIRST: u16 = 0x00a0;

/// U+00A0 to U+01FF, sixteen in a row; `?` where there is no mapping.
const LATIN: &[u8] = b"\
    \x20!c?$Y|??Ca<?-R?\
    ??23???.,1o>????\
    AAAAAAACEEEEIIII\
    DNOOOOO?OUUUUY??\
    aaaaaaaceeeeiiii\
    ?nooooo?ouuuuy?y\
    AaAaAaCcCcCcCcDd\
    DdEeEeEeEeEeGgGg\
    GgGgHhHhIiIiIiIi\
    Ii??JjKk?LlLlLl?\
    ?LlNnNnNn???OoOo\
    OoOoRrRrRrSsSsSs\
    SsTtTtTtUuUuUuUu\
    UuUuWwYyYZ?ZzZz?\
    b????????D??????\
    ?Ff????I??l????O\
    Oo?????????t??TU\
    u?????z?????????\
    ?????????????AaI\
    iOoUuUuUuUuUu?Aa\
    ????GgGgKkOoOo??\
    j???????????????";

/// The byte of code page 20127 for a character, if it has one.
pub(crate) fn ascii(character: u16) -> Option<u8> {
    if let Some(&byte) = character.checked_sub(LATIN_FIRST).and_then(|index| LATIN.get(usize::from(index))) {
        return (byte != b'?').then_some(byte);
    }
    Some(match character {
        0x0261 => b'g',
        0x02b9 | 0x02bc | 0x02c8 | 0x2018 | 0x2019 | 0x2032 => b'\'',
        0x02ba | 0x030e | 0x201c..=0x201e => b'"',
        0x02c4 | 0x02c6 | 0x0302 => b'^',
        0x02cb | 0x0300 | 0x2035 => b'`',
        0x02cd | 0x0331 | 0x0332 => b'_',
        0x02dc | 0x0303 => b'~',
        0x2000..=0x2006 => b' ',
        0x2010 | 0x2011 | 0x2013 | 0x2014 => b'-',
        0x201a => b',',
        0x2022 | 0x2026 => b'.',
        0x2039 => b'<',
        0x203a => b'>',
        0x2122 => b'T',
        _ => return None,
    })
}

/// The low byte of a character, with the full-width forms moved to the ASCII characters they show.
pub(super) fn low_byte(high: u8, low: u8) -> u8 {
    if high == 0xff && (0x01..=0x5e).contains(&low) { low + 0x20 } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latin_table_covers_its_range() {
        assert_eq!(LATIN.len(), 0x0200 - 0x00a0);
    }

    #[test]
    fn characters_map_to_the_byte_they_look_like() {
        for (character, byte) in [(0x00a0, b' '), (0x00ab, b'<'), (0x00bb, b'>'), (0x00e9, b'e'), (0x01b6, b'z')] {
            assert_eq!(ascii(character), Some(byte), "U+{character:04X}");
        }
        assert_eq!(ascii(0x2039), Some(b'<'));
        assert_eq!(ascii(0x02ba), Some(b'"'));
        assert_eq!(ascii(0x0041), None);
        assert_eq!(ascii(0x4e2d), None);
        assert_eq!(low_byte(0xff, 0x1c), b'<');
        assert_eq!(low_byte(0xff, 0x00), 0);
        assert_eq!(low_byte(0xfe, 0x1c), 0x1c);
    }
}
