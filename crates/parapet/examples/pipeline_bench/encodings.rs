//! Size and time of one event in each encoding of the wire.

use crate::Outcome;
use crate::events::pool;
use crate::figures::Figures;
use parapet_event::{SecurityEvent, json};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::time::Instant;

const RUNS: usize = 5;

type Encode = fn(&SecurityEvent) -> Outcome<Vec<u8>>;
type Decode = fn(&[u8]) -> Outcome<SecurityEvent>;

const ENCODINGS: [(&str, Encode, Decode); 2] = [
    ("json", |event| Ok(json::write(event).into()), |bytes| Ok(json::read(str::from_utf8(bytes)?).ok_or("not read")?)),
    ("msgpack", pack, unpack),
];

fn pack(event: &SecurityEvent) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::with_capacity(1024);
    event.serialize(&mut rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable())?;
    Ok(bytes)
}

fn unpack(bytes: &[u8]) -> Outcome<SecurityEvent> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    Ok(SecurityEvent::deserialize(&mut reader)?)
}

/// Notes both for each encoding.
pub fn measure(figures: &mut Figures) -> Outcome<()> {
    let pool = pool(50_000);
    for (name, encode, decode) in ENCODINGS {
        let payloads: Vec<_> = pool.iter().map(encode).collect::<Outcome<_>>()?;
        let bytes: usize = payloads.iter().map(Vec::len).sum();
        figures.add(&format!("wire_{name}_bytes"), bytes as f64 / pool.len() as f64)?;
        let encoding = best_ns(pool.len(), || pool.iter().try_for_each(|event| black_box(encode(event)).map(drop)))?;
        figures.add(&format!("wire_{name}_encode_ns"), encoding)?;
        let decoding = best_ns(pool.len(), || payloads.iter().try_for_each(|it| black_box(decode(it)).map(drop)))?;
        figures.add(&format!("wire_{name}_decode_ns"), decoding)?;
    }
    Ok(())
}

/// Best time for one event.
fn best_ns(events: usize, mut work: impl FnMut() -> Outcome<()>) -> Outcome<f64> {
    let mut best = f64::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        work()?;
        best = best.min(started.elapsed().as_secs_f64() * 1e9 / events as f64);
    }
    Ok(best)
}
