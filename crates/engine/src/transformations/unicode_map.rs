//! `SecUnicodeMapFile`: which byte a character becomes on a server with a certain code page.
//!
//! Source of the format: ModSecurity's `unicode.mapping`. A line that begins with a number begins a
//! code page; the lines after it are pairs `hhhh:hh` of a character and its byte.

/// The bytes of one code page.
pub(crate) struct UnicodeMap {
    /// By character; 0 where there is no mapping.
    bytes: Vec<u8>,
}

impl UnicodeMap {
    /// Reads one code page of a mapping file.
    pub(crate) fn read(text: &[u8], code_page: u32) -> Result<UnicodeMap, String> {
        let mut bytes = vec![0; 1 << 16];
        let mut found = false;
        let mut inside = false;
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).peekable();
            let Some(first) = words.peek().copied() else { continue };
            if !first.contains(&b':') {
                // The head of a code page: its number, or for those without one its name.
                inside = std::str::from_utf8(first).is_ok_and(|word| word.parse() == Ok(code_page));
                found |= inside;
                continue;
            }
            if !inside {
                continue;
            }
            for word in words {
                let (character, byte) =
                    pair(word).ok_or_else(|| format!("line {}: `{}` is no pair", number + 1, word.escape_ascii()))?;
                if let Some(place) = bytes.get_mut(usize::from(character)) {
                    *place = byte;
                }
            }
        }
        if found { Ok(UnicodeMap { bytes }) } else { Err(format!("the file has no code page {code_page}")) }
    }

    /// The byte of a character, if it has one.
    pub(crate) fn byte(&self, character: u16) -> Option<u8> {
        self.bytes.get(usize::from(character)).copied().filter(|byte| *byte != 0)
    }
}

/// `hhhh:hh`
fn pair(word: &[u8]) -> Option<(u16, u8)> {
    let (character, byte) = std::str::from_utf8(word).ok()?.split_once(':')?;
    Some((u16::from_str_radix(character, 16).ok()?, u8::from_str_radix(byte, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"(MAC - Roman)\n\n1252  (ANSI - Latin I)\r\n0100:41 2032:27 \r\n\r\n20127 (US-ASCII)\n00a1:21 ff1c:3c\n\n20261 (T.61)\n00a1:78\n";

    #[test]
    fn one_code_page_is_read() {
        let map = UnicodeMap::read(FILE, 20127).unwrap();
        assert_eq!((map.byte(0x00a1), map.byte(0xff1c), map.byte(0x2032)), (Some(b'!'), Some(b'<'), None));
        let map = UnicodeMap::read(FILE, 1252).unwrap();
        assert_eq!((map.byte(0x0100), map.byte(0x2032), map.byte(0x00a1)), (Some(b'A'), Some(b'\''), None));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        assert!(UnicodeMap::read(FILE, 1250).err().unwrap().contains("1250"));
        assert!(UnicodeMap::read(b"1250\n00a1:21 x:1\n", 1250).err().unwrap().contains("line 2"));
    }
}
