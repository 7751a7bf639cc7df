//! `@validateByteRange`.

/// The bytes that are allowed.
#[derive(Debug, Clone)]
pub(crate) struct ValidateByteRange {
    allowed: [bool; 256],
}

impl ValidateByteRange {
    /// Reads a comma-separated list of numbers and ranges such as `10, 13, 32-126`.
    pub(crate) fn compile(argument: &[u8]) -> Result<ValidateByteRange, String> {
        let mut allowed = [false; 256];
        for item in argument.split(|&byte| byte == b',') {
            let item = item.trim_ascii();
            let (first, last) = match memchr::memchr(b'-', item) {
                Some(dash) => (number(&item[..dash])?, number(&item[dash + 1..])?),
                None => (number(item)?, number(item)?),
            };
            if first > last {
                return Err(format!("the range {first}-{last} is empty: its first byte is greater than its last"));
            }
            allowed[usize::from(first)..=usize::from(last)].fill(true);
        }
        Ok(ValidateByteRange { allowed })
    }

    /// Whether a byte of the value lies outside the ranges.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        !value.iter().all(|&byte| self.allowed[usize::from(byte)])
    }
}

fn number(text: &[u8]) -> Result<u8, String> {
    std::str::from_utf8(text.trim_ascii()).ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        format!("`{}` is not a byte: use numbers from 0 to 255, as in `10,13,32-126`", text.escape_ascii())
    })
}
