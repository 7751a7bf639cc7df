//! `@fuzzyHash`: values that are nearly the same as known ones, by their ssdeep hashes.
//!
//! Source: Jesse Kornblum, "Identifying almost identical files using context triggered piecewise
//! hashing" (2006), and the signature format of ssdeep. A value is cut where a rolling hash over seven
//! bytes says so; each piece gives one letter; two values are as alike as their letters are.

/// Bytes that the rolling hash looks at.
const WINDOW: usize = 7;
/// Most letters of the first half of a hash; the second half has half as many.
const LONGEST: usize = 64;
const SMALLEST_BLOCK: u32 = 3;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Known hashes, and how alike (1–100) a value must be to one of them.
pub(crate) struct FuzzyHash {
    known: Vec<Signature>,
    threshold: u32,
}

/// A hash: the size of its blocks, and its letters for blocks of that size and of twice that size.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    block: u32,
    letters: Vec<u8>,
    double: Vec<u8>,
}

/// The file that an argument such as `known.txt 70` names, and the threshold.
pub(crate) fn parse(argument: &[u8]) -> Result<(&[u8], u32), String> {
    let wrong = || "@fuzzyHash needs a file and a threshold from 1 to 100, as in @fuzzyHash known.txt 70".to_owned();
    let argument = argument.trim_ascii();
    let at = argument.iter().rposition(u8::is_ascii_whitespace).ok_or_else(wrong)?;
    let threshold = std::str::from_utf8(&argument[at + 1..]).ok().and_then(|text| text.parse().ok());
    let threshold = threshold.filter(|threshold| (1..=100).contains(threshold)).ok_or_else(wrong)?;
    Ok((argument[..at].trim_ascii_end(), threshold))
}

impl FuzzyHash {
    /// Reads a file as `ssdeep` writes it: one hash a line, with or without a file name behind it.
    pub(crate) fn compile(text: &[u8], threshold: u32) -> Result<FuzzyHash, String> {
        let mut known = Vec::new();
        for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"ssdeep,") {
                continue;
            }
            let signature = Signature::parse(line);
            known.push(signature.ok_or_else(|| format!("line {} is no ssdeep hash", number + 1))?);
        }
        Ok(FuzzyHash { known, threshold })
    }

    /// Steps that comparing one hash with all known ones takes at worst.
    pub(crate) fn compare_steps(&self) -> u64 {
        self.known.len() as u64 * (2 * LONGEST * LONGEST) as u64
    }

    /// Whether the value is alike one of the known ones.
    pub(crate) fn matches(&self, value: &[u8]) -> bool {
        let own = Signature::of(value);
        self.known.iter().any(|known| own.likeness(known) >= self.threshold)
    }
}

/// The rolling hash: the sum of the window, a weighted sum, and a shifting mix of all bytes.
#[derive(Default)]
struct Rolling {
    window: [u8; WINDOW],
    at: usize,
    sum: u32,
    weighted: u32,
    mixed: u32,
}

impl Rolling {
    fn push(&mut self, byte: u8) -> u32 {
        let value = u32::from(byte);
        self.weighted = self.weighted.wrapping_sub(self.sum).wrapping_add(WINDOW as u32 * value);
        self.sum = self.sum.wrapping_add(value);
        if let Some(oldest) = self.window.get_mut(self.at) {
            self.sum = self.sum.wrapping_sub(u32::from(*oldest));
            *oldest = byte;
        }
        self.at = (self.at + 1) % WINDOW;
        self.mixed = (self.mixed << 5) ^ value;
        self.total()
    }

    fn total(&self) -> u32 {
        self.sum.wrapping_add(self.weighted).wrapping_add(self.mixed)
    }
}

/// Letters of one half of a hash.
struct Half {
    block: u32,
    longest: usize,
    hash: u32,
    letters: Vec<u8>,
}

const HASH_BEGIN: u32 = 0x2802_1967;
const HASH_PRIME: u32 = 0x0100_0193;

impl Half {
    fn new(block: u32, longest: usize) -> Half {
        Half { block, longest, hash: HASH_BEGIN, letters: Vec::new() }
    }

    fn push(&mut self, byte: u8, rolling: u32) {
        self.hash = self.hash.wrapping_mul(HASH_PRIME) ^ u32::from(byte);
        // The last letter stands for everything that is left.
        if rolling % self.block == self.block - 1 && self.letters.len() < self.longest - 1 {
            self.letters.push(letter(self.hash));
            self.hash = HASH_BEGIN;
        }
    }

    fn finish(mut self, rest: bool) -> Vec<u8> {
        if rest {
            self.letters.push(letter(self.hash));
        }
        self.letters
    }
}

fn letter(hash: u32) -> u8 {
    LETTERS[(hash % 64) as usize]
}

impl Signature {
    /// The hash of a value. The value is read at most twice on the whole: a block size that gives too
    /// few letters is halved.
    fn of(value: &[u8]) -> Signature {
        let mut block = SMALLEST_BLOCK;
        while (block as usize).saturating_mul(LONGEST) < value.len() && block < u32::MAX / 4 {
            block *= 2;
        }
        loop {
            let mut rolling = Rolling::default();
            let (mut single, mut double) = (Half::new(block, LONGEST), Half::new(block * 2, LONGEST / 2));
            for &byte in value {
                let total = rolling.push(byte);
                single.push(byte, total);
                double.push(byte, total);
            }
            let rest = rolling.total() != 0;
            let few = single.letters.len() < LONGEST / 2;
            if few && block > SMALLEST_BLOCK {
                block /= 2;
                continue;
            }
            return Signature { block, letters: single.finish(rest), double: double.finish(rest) };
        }
    }

    /// Reads `3:AXGBic:AXGH`, also with a comma and a file name behind it.
    fn parse(text: &[u8]) -> Option<Signature> {
        let text = text.split(|byte| *byte == b',').next()?;
        let mut parts = text.split(|byte| *byte == b':');
        let block: u32 = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        let (letters, double) = (parts.next()?.to_vec(), parts.next()?.to_vec());
        let of_hash = |part: &Vec<u8>| part.len() <= LONGEST && part.iter().all(|byte| LETTERS.contains(byte));
        let valid = block >= SMALLEST_BLOCK && parts.next().is_none() && of_hash(&letters) && of_hash(&double);
        valid.then_some(Signature { block, letters, double })
    }

    /// How alike two values are, 0 to 100.
    fn likeness(&self, other: &Signature) -> u32 {
        if self == other {
            return 100;
        }
        if self.block == other.block {
            let double = self.block.saturating_mul(2);
            return score(&self.letters, &other.letters, self.block).max(score(&self.double, &other.double, double));
        }
        if self.block == other.block.saturating_mul(2) {
            return score(&self.letters, &other.double, self.block);
        }
        if other.block == self.block.saturating_mul(2) {
            return score(&self.double, &other.letters, other.block);
        }
        0
    }
}

/// How alike two rows of letters for blocks of one size are.
fn score(left: &[u8], right: &[u8], block: u32) -> u32 {
    let (left, right) = (without_runs(left), without_runs(right));
    let shares = left.windows(WINDOW).any(|part| right.windows(WINDOW).any(|other| part == other));
    if !shares {
        return 0;
    }
    let lengths = (left.len() + right.len()) as u32;
    let distance = distance(&left, &right) * LONGEST as u32 / lengths;
    let score = 100 - (100 * distance / LONGEST as u32).min(100);
    // Short values have few letters, which say little.
    if block >= (99 + WINDOW as u32) / WINDOW as u32 * SMALLEST_BLOCK {
        return score;
    }
    score.min(block / SMALLEST_BLOCK * left.len().min(right.len()) as u32)
}

/// Letters without those beyond three equal ones in a row.
fn without_runs(letters: &[u8]) -> Vec<u8> {
    let mut kept: Vec<u8> = Vec::with_capacity(letters.len());
    for &letter in letters {
        if !kept.ends_with(&[letter; 3]) {
            kept.push(letter);
        }
    }
    kept
}

/// Edits from one row to the other: 1 to insert or remove a letter, 2 to exchange one.
fn distance(left: &[u8], right: &[u8]) -> u32 {
    let mut above: Vec<u32> = (0..=right.len() as u32).collect();
    for (row, letter) in left.iter().enumerate() {
        let mut current = vec![row as u32 + 1];
        for (column, other) in right.iter().enumerate() {
            let exchange = above[column] + if letter == other { 0 } else { 2 };
            current.push(exchange.min(above[column + 1] + 1).min(current[column] + 1));
        }
        above = current;
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(signature: &Signature) -> String {
        let part = |letters: &[u8]| String::from_utf8(letters.to_vec()).unwrap();
        format!("{}:{}:{}", signature.block, part(&signature.letters), part(&signature.double))
    }

    const FIRST: &[u8] = b"Also called fuzzy hashes, Ctph can match inputs that have homologies.";
    const SECOND: &[u8] = b"Also called fuzzy hashes, CTPH can match inputs that have homologies.";

    #[test]
    fn hashes_and_likeness_are_those_of_ssdeep() {
        let (first, second) = (Signature::of(FIRST), Signature::of(SECOND));
        assert_eq!(text(&first), "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C");
        assert_eq!(text(&second), "3:AXGBicFlIHBGcL6wCrFQEv:AXGH6xLsr2C");
        assert_eq!(first.likeness(&second), 22);
        assert_eq!(first.likeness(&first), 100);
    }

    #[test]
    fn a_changed_copy_is_alike_and_another_text_is_not() {
        let mut state = 7_u32;
        let mut random = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let original: Vec<u8> = (0..20_000).map(|_| random()).collect();
        let mut copy = original.clone();
        copy.splice(5_000..5_010, *b"something else");
        let other: Vec<u8> = (0..20_000).map(|_| random()).collect();
        let known = Signature::of(&original);
        let file = [text(&known).as_bytes(), b",\"shell.php\"\n"].concat();
        let hash = FuzzyHash::compile(&file, 80).unwrap();
        assert!(hash.matches(&original) && hash.matches(&copy));
        assert!(!hash.matches(&other) && !hash.matches(b""));
    }

    #[test]
    fn arguments_and_files_that_are_wrong_are_errors() {
        assert_eq!(parse(b"known hashes.txt 70"), Ok((&b"known hashes.txt"[..], 70)));
        assert!(parse(b"known.txt").is_err() && parse(b"known.txt 0").is_err() && parse(b"known.txt 101").is_err());
        assert!(FuzzyHash::compile(b"ssdeep,1.1--blocksize:hash:hash,filename\n3:AB:C\n", 1).is_ok());
        assert!(FuzzyHash::compile(b"3:AB\n", 1).err().unwrap().contains("line 1"));
        assert!(FuzzyHash::compile(b"3:A B:C\n", 1).is_err());
    }
}
