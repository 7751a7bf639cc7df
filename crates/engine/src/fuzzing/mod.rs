//! Properties that hold for any bytes: each function panics if one does not.
//!
//! The fuzz targets feed them what a fuzzer finds, the tests below what a generator makes.

mod bounded;
mod choices;
mod differential;
mod operators;
mod parsers;
#[cfg(test)]
mod random;
mod reference;
mod rules;
mod transformations;

pub use bounded::bounded_transaction;
pub use differential::{Twins, random_rules};
pub use operators::{detect_sqli, detect_xss, operator};
pub use parsers::{cookies, json, multipart, urlencoded, xml};
#[cfg(test)]
pub(crate) use random::Random;
pub use transformations::transformation;

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a property over generated inputs.
    fn run(property: fn(&[u8]), tokens: &[&[u8]], seed: u64) {
        let mut random = Random::new(seed);
        for _ in 0..20_000 {
            property(&random.text(tokens, 24));
        }
        for length in [0, 1, 2, 1000] {
            property(&vec![b'x'; length]);
        }
    }

    #[test]
    fn transformations_agree_with_their_plain_forms() {
        let tokens: &[&[u8]] = &[
            b"%",
            b"%u",
            b"%uff1c",
            b"%41",
            b"%00",
            b"+",
            b"&",
            b"&#",
            b"&#x3c;",
            b"&#60",
            b"&lt;",
            b"&ltx",
            b"\\",
            b"\\x41",
            b"\\u0041",
            b"\\uff1c",
            b"\\101",
            b"\\777",
            b"\\ff1c ",
            b"/*",
            b"*/",
            b"<!--",
            b"-->",
            b"--",
            b"#",
            b"/",
            b"/../",
            b"..",
            b"./",
            b"//",
            b" ",
            b"  ",
            b"\t",
            b"\0",
            b"^",
            b"\"",
            b",",
            b"(",
            b"A",
            b"a",
            b"0x41",
            b"=",
            b"\xc3\xa9",
            b"\xe2\x82\xac",
            b"\xf0\x9f\x98\x80",
            b"\xc0\xaf",
            b"\xed\xa0\x80",
            b"\xa0",
            b"[",
            b"]",
            b".",
            b"\n",
        ];
        let mut random = Random::new(7);
        for round in 0..100_000_usize {
            let mut input = vec![round as u8];
            input.extend(random.text(tokens, 24));
            transformation(&input);
        }
    }

    #[test]
    fn the_fast_way_finds_what_the_slow_way_finds_with_random_rules() {
        let mut random = Random::new(9);
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..random.below(400)).map(|_| random.below(256) as u8).collect();
            random_rules(&bytes);
        }
    }

    #[test]
    fn transactions_keep_their_limits_and_repeat_themselves() {
        let mut random = Random::new(11);
        for _ in 0..5_000 {
            let bytes: Vec<u8> = (0..random.below(400)).map(|_| random.below(256) as u8).collect();
            bounded_transaction(&bytes);
        }
    }

    #[test]
    fn operators_agree_with_their_plain_forms() {
        let mut random = Random::new(10);
        for _ in 0..50_000 {
            let bytes: Vec<u8> = (0..random.below(60)).map(|_| random.below(256) as u8).collect();
            operator(&bytes);
        }
    }

    #[test]
    fn pairs_are_split_as_promised() {
        run(urlencoded, &[b"a", b"=", b"&", b"%41", b"%", b"%4", b"+", b";", b"bc"], 1);
        run(cookies, &[b"a", b"=", b";", b" ", b"; ", b"$Version", b"\""], 2);
    }

    #[test]
    fn json_is_read_as_promised() {
        run(
            json,
            &[
                b"{",
                b"}",
                b"[",
                b"]",
                b",",
                b":",
                b"\"",
                b"\"a\":",
                b"\"b\"",
                b"1",
                b"-",
                b"0.5",
                b"e1",
                b"true",
                b"null",
                b" ",
                b"\\",
                b"\\u0041",
                b"\\ud83d",
                b"\\udE00",
                b"\xff",
                b"\xc3\xa9",
                b"{\"a\":[1,\"x\",{}]}",
            ],
            3,
        );
    }

    #[test]
    fn xml_is_read_as_promised() {
        run(
            xml,
            &[
                b"<",
                b">",
                b"</",
                b"/>",
                b"<a>",
                b"</a>",
                b"<b c='d'>",
                b"<b c=\"d\"/>",
                b"&",
                b"&lt;",
                b"&#x41;",
                b"&#65;",
                b"&x;",
                b"<!--",
                b"-->",
                b"<![CDATA[",
                b"]]>",
                b"<!DOCTYPE a [",
                b"<!ENTITY x 'y'>",
                b"]>",
                b"<?",
                b"?>",
                b"=",
                b"'",
                b"\"",
                b"text",
                b" ",
                b"\xff\xfe",
                b"\xc3\xa9",
            ],
            4,
        );
    }

    #[test]
    fn multipart_is_read_as_promised() {
        run(
            multipart,
            &[
                b"--X",
                b"--X\r\n",
                b"--X--\r\n",
                b"--X\n",
                b"\r\n",
                b"\n",
                b"\r\n\r\n",
                b"Content-Disposition: form-data; ",
                b"name=a",
                b"; filename=\"b\"",
                b"; filename*=utf-8''%41",
                b"Content-Type: text/plain",
                b"\"",
                b"'",
                b"\\",
                b" ",
                b"\0",
                b":",
                b"--",
            ],
            5,
        );
    }

    #[test]
    fn the_gates_of_libinjection_change_no_verdict() {
        run(
            detect_sqli,
            &[
                b"'", b"\"", b" ", b"1", b"or", b"and", b"union", b"select", b"=", b"--", b"#", b"/*", b"*/", b"(",
                b")", b",", b";", b"sleep", b"@", b"x", b".", b"`", b"0x1", b"null", b"\\", b"{", b"}", b"$a$", b"q'(",
                b"_", b"\xa0", b"\xc3",
            ],
            6,
        );
        run(
            detect_xss,
            &[
                b"<",
                b">",
                b"=",
                b"/",
                b"\"",
                b"'",
                b"`",
                b" ",
                b"script",
                b"svg",
                b"onload",
                b"href",
                b"javascript:",
                b"!--",
                b"-->",
                b"!DOCTYPE",
                b"%",
                b"?",
                b"x",
                b"style",
                b"&#x6a;",
                b"\0",
                b"![CDATA[",
                b"xmlns",
                b"import",
            ],
            8,
        );
    }
}
