//! Numbers, ids, addresses and times.

use super::text::quoted;
use super::{Json, Rest};
use crate::Severity;
use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Timelike, Utc};
use std::fmt::Write;
use std::net::IpAddr;
use ulid::{ULID_LEN, Ulid};

macro_rules! number {
    ($($type:ty),*) => {
        $(impl Json for $type {
            fn write(&self, json: &mut String) {
                if i128::from(*self) < 0 {
                    json.push('-');
                }
                decimal(json, i128::from(*self).unsigned_abs() as u64);
            }

            fn read(json: &mut Rest<'_>) -> Option<Self> {
                let text = json.take(json.0.bytes().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-')).count())?;
                // JSON knows no leading zeros.
                let canonical = text == "0" || !text.trim_start_matches('-').starts_with('0');
                text.parse().ok().filter(|_| canonical)
            }
        })*
    };
}

number!(u8, u16, u32, u64, i64);

impl Json for Severity {
    fn write(&self, json: &mut String) {
        self.get().write(json);
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        u8::read(json).map(Severity::new)
    }
}

impl Json for Ulid {
    fn write(&self, json: &mut String) {
        quoted(json, self.array_to_str(&mut [0; ULID_LEN]));
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        Ulid::from_string(json.plain()?).ok()
    }
}

impl Json for IpAddr {
    fn write(&self, json: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(json, "\"{self}\"");
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        json.plain()?.parse().ok()
    }
}

impl Json for DateTime<Utc> {
    fn write(&self, json: &mut String) {
        let (year, nanosecond) = (self.year(), self.nanosecond());
        if !(0..=9999).contains(&year) || nanosecond >= 1_000_000_000 {
            // Beyond four digits, or in a leap second.
            return quoted(json, &self.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        }
        padded::<4>(json, '"', year.unsigned_abs());
        padded::<2>(json, '-', self.month());
        padded::<2>(json, '-', self.day());
        padded::<2>(json, 'T', self.hour());
        padded::<2>(json, ':', self.minute());
        padded::<2>(json, ':', self.second());
        match nanosecond {
            0 => {}
            _ if nanosecond.is_multiple_of(1_000_000) => padded::<3>(json, '.', nanosecond / 1_000_000),
            _ if nanosecond.is_multiple_of(1_000) => padded::<6>(json, '.', nanosecond / 1_000),
            _ => padded::<9>(json, '.', nanosecond),
        }
        json.push_str("Z\"");
    }

    fn read(json: &mut Rest<'_>) -> Option<Self> {
        json.skip("\"")?;
        let year = json.digits(4)?;
        let [month, day, hour, minute, second] = {
            let mut part = |before| json.skip(before).and_then(|()| json.digits(2));
            [part("-")?, part("-")?, part("T")?, part(":")?, part(":")?]
        };
        let mut nanosecond = 0;
        if json.skip(".").is_some() {
            let digits = json.0.bytes().take_while(u8::is_ascii_digit).count();
            let unit = 9_u32.checked_sub(digits as u32).filter(|_| digits > 0)?;
            nanosecond = json.digits(digits)? * 10_u32.pow(unit);
        }
        json.skip("Z\"")?;
        let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
        Some(date.and_hms_nano_opt(hour, minute, second, nanosecond)?.and_utc())
    }
}

fn decimal(json: &mut String, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        first = index;
        if number == 0 {
            break;
        }
    }
    json.extend(digits.iter().skip(first).map(|digit| char::from(*digit)));
}

/// Writes `before` and a number with leading zeros.
fn padded<const DIGITS: usize>(json: &mut String, before: char, number: u32) {
    json.push(before);
    (0..DIGITS as u32).rev().for_each(|place| json.push(char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8)));
}
