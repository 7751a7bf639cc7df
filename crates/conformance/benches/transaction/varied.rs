//! Requests of the same kind no two of which are alike: what an engine remembers is of no use to them.

use serde_json::Value;

use super::Request;

/// Words that people look for.
const WORDS: [&str; 16] = [
    "running", "blue", "shoes", "winter", "jacket", "leather", "boots", "kids", "sale", "large", "trail", "cotton",
    "shirt", "summer", "hat", "socks",
];

/// Draws words.
struct Draw(u64);

impl Draw {
    fn next(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }

    /// A word that was hardly drawn before.
    fn word(&mut self) -> String {
        format!("{}{}", WORDS[self.next(WORDS.len())], self.next(100_000))
    }
}

impl Request {
    /// The same request by another visitor with other things in mind: path, values of arguments and of the
    /// body, cookies and referrer are this number's own.
    pub(crate) fn varied(&self, number: u64) -> Request {
        let mut draw = Draw(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut request = self.clone();
        request.target = varied_target(&self.target, &mut draw);
        for (name, value) in &mut request.headers {
            match name.as_slice() {
                b"Cookie" => {
                    let session = number ^ 0x5f2b_1c9a_e0d3_4b7f;
                    let theme = draw.word();
                    *value = format!("session={session:016x}{number:04x}; theme={theme}; cart={number}").into_bytes();
                }
                b"Referer" => *value = format!("https://shop.example.com/{}", draw.word()).into_bytes(),
                _ => {}
            }
        }
        if !self.body.is_empty() {
            request.body = match serde_json::from_slice(&self.body) {
                Ok(json) => varied_json(json, &mut draw).to_string().into_bytes(),
                Err(_) => varied_pairs(&self.body, &mut draw),
            };
        }
        request
    }
}

/// A word more in the path and in the values of the query.
fn varied_target(target: &[u8], draw: &mut Draw) -> Vec<u8> {
    let query = target.iter().position(|byte| *byte == b'?');
    let (path, pairs) = target.split_at(query.unwrap_or(target.len()));
    let mut varied = [path, b"/", draw.word().as_bytes()].concat();
    if let Some(pairs) = pairs.get(1..) {
        varied.push(b'?');
        varied.extend(varied_pairs(pairs, draw));
    }
    varied
}

/// A word more in front of each value of `name=value&…`.
fn varied_pairs(pairs: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut varied = Vec::with_capacity(pairs.len() * 2);
    for (index, pair) in pairs.split(|byte| *byte == b'&').enumerate() {
        let value = pair.iter().position(|byte| *byte == b'=').map_or(pair.len(), |equals| equals + 1);
        let (name, value) = pair.split_at(value);
        varied.extend_from_slice(if index > 0 { b"&" } else { b"" });
        varied.extend_from_slice(&[name, draw.word().as_bytes(), b"+", value].concat());
    }
    varied
}

/// Another number for each number, a word more in each text.
fn varied_json(json: Value, draw: &mut Draw) -> Value {
    match json {
        Value::String(text) => Value::String(format!("{text} {}", draw.word())),
        Value::Number(number) => {
            let more = draw.next(100_000);
            number.as_f64().map_or(Value::Number(number), |number| Value::from(number + more as f64))
        }
        Value::Array(values) => values.into_iter().map(|value| varied_json(value, draw)).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| (name, varied_json(value, draw)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => other,
    }
}
