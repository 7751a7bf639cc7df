//! The times that logs carry, in the four forms in use.

use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, TimeDelta, Utc};

/// The widest time zone.
const ZONE_MAX: TimeDelta = TimeDelta::hours(14);

/// Reads numbers and signs from the front of a text.
struct Cursor<'a>(&'a str);

impl<'a> Cursor<'a> {
    fn sign(&mut self, sign: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(sign)?;
        Some(())
    }

    /// Digits, at most nine.
    fn digits(&mut self) -> Option<&'a str> {
        let end = self.0.bytes().take(9).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.0.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
        self.0 = rest;
        Some(digits)
    }

    fn number(&mut self) -> Option<u32> {
        self.digits()?.parse().ok()
    }

    fn word(&mut self, length: usize) -> Option<&'a str> {
        let (word, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(word)
    }

    fn month(&mut self) -> Option<u32> {
        const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let name = self.word(3)?;
        (1..).zip(NAMES).find(|(_, known)| *known == name).map(|(number, _)| number)
    }

    /// `HH:MM:SS`, with or without a fraction. Seconds and microseconds since midnight.
    fn clock(&mut self) -> Option<(u32, u32, u32, u32)> {
        let hour = self.number()?;
        self.sign(":")?;
        let minute = self.number()?;
        self.sign(":")?;
        let second = self.number()?;
        if self.sign(".").is_none() {
            return Some((hour, minute, second, 0));
        }
        let fraction = self.digits()?;
        let micros = format!("{:0<6}", fraction.get(..6).unwrap_or(fraction)).parse().ok()?;
        Some((hour, minute, second, micros))
    }
}

fn civil(year: u32, month: u32, day: u32, clock: (u32, u32, u32, u32)) -> Option<NaiveDateTime> {
    let (hour, minute, second, micros) = clock;
    NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?.and_hms_micro_opt(hour, minute, second, micros)
}

/// `Sun Nov 22 06:32:53 2026`, `Sat Nov 28 15:57:14.254985 2026`; local time.
pub(super) fn of_ctime(text: &str) -> Option<NaiveDateTime> {
    let mut cursor = Cursor(text);
    cursor.word(3)?;
    cursor.sign(" ")?;
    let month = cursor.month()?;
    cursor.sign(" ")?;
    cursor.0 = cursor.0.trim_start_matches(' ');
    let day = cursor.number()?;
    cursor.sign(" ")?;
    let clock = cursor.clock()?;
    cursor.sign(" ")?;
    civil(cursor.number()?, month, day, clock)
}

/// `2026/11/22 06:33:17`; local time.
pub(super) fn of_slashes(text: &str) -> Option<NaiveDateTime> {
    let mut cursor = Cursor(text);
    let year = cursor.number()?;
    cursor.sign("/")?;
    let month = cursor.number()?;
    cursor.sign("/")?;
    let day = cursor.number()?;
    cursor.sign(" ")?;
    civil(year, month, day, cursor.clock()?)
}

/// `22/Nov/2026:06:33:17 +0000`, `28/Nov/2026:15:57:14.256219 +0000`.
pub(super) fn of_common_log(text: &str) -> Option<DateTime<Utc>> {
    let mut cursor = Cursor(text);
    let day = cursor.number()?;
    cursor.sign("/")?;
    let month = cursor.month()?;
    cursor.sign("/")?;
    let year = cursor.number()?;
    cursor.sign(":")?;
    let local = civil(year, month, day, cursor.clock()?)?;
    cursor.sign(" ")?;
    let east = cursor.word(1)?;
    let zone = cursor.digits().filter(|digits| digits.len() == 4)?;
    let seconds = zone[..2].parse::<i32>().ok()? * 3600 + zone[2..].parse::<i32>().ok()? * 60;
    let zone = match east {
        "+" => FixedOffset::east_opt(seconds),
        "-" => FixedOffset::west_opt(seconds),
        _ => None,
    }?;
    Some(local.and_local_timezone(zone).single()?.to_utc())
}

/// Local time without a zone, corrected by the second in which the transaction's id says that it was
/// made, if the two agree up to a time zone; otherwise taken as UTC.
pub(super) fn correct(local: NaiveDateTime, unique_id: &str) -> DateTime<Utc> {
    let local = local.and_utc();
    let seconds = [of_decimal_id(unique_id), of_apache_id(unique_id)];
    let at = |seconds| DateTime::from_timestamp(seconds, 0).filter(|at| (*at - local).abs() <= ZONE_MAX);
    match seconds.into_iter().flatten().find_map(at) {
        // The zone is a multiple of a quarter of an hour; the rest is the time between id and log line.
        Some(at) => local - TimeDelta::minutes(15 * ((local - at).num_seconds() + 450).div_euclid(900)),
        None => local,
    }
}

/// libmodsecurity's own ids begin with the Unix time.
fn of_decimal_id(id: &str) -> Option<i64> {
    id.get(..10)?.parse().ok()
}

/// Ids of Apache's `mod_unique_id`: base 64 with `@` and `-`, the first four bytes are the Unix time.
fn of_apache_id(id: &str) -> Option<i64> {
    let digits = id.as_bytes().get(..6)?;
    let value = digits.iter().try_fold(0u64, |value, byte| {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'@' | b'_' => 62,
            b'-' => 63,
            _ => return None,
        };
        Some(value << 6 | u64::from(digit))
    })?;
    i64::try_from(value >> 4).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(time: Option<NaiveDateTime>) -> String {
        time.map(|time| time.and_utc().to_rfc3339()).unwrap_or_default()
    }

    #[test]
    fn each_form_is_read() {
        assert_eq!(text(of_ctime("Sun Nov 22 06:32:53 2026")), "2026-11-22T06:32:53+00:00");
        assert_eq!(text(of_ctime("Sun Nov  1 06:32:53 2026")), "2026-11-01T06:32:53+00:00");
        assert_eq!(text(of_ctime("Sat Nov 28 15:57:14.254985 2026")), "2026-11-28T15:57:14.254985+00:00");
        assert_eq!(text(of_slashes("2026/11/22 06:33:17 [error]")), "2026-11-22T06:33:17+00:00");
        let common = |text| of_common_log(text).map(|time| time.to_rfc3339()).unwrap_or_default();
        assert_eq!(common("22/Nov/2026:06:33:17 +0130"), "2026-11-22T05:03:17+00:00");
        assert_eq!(common("28/Nov/2026:15:57:14.25 -0800"), "2026-11-28T23:57:14.250+00:00");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for wrong in ["", "yesterday", "Sun Nov 31 06:32:53 2026", "Sun Foo 22 06:32:53 2026", "Sun Nov 22 06:32"] {
            assert_eq!(of_ctime(wrong), None, "{wrong}");
        }
        for wrong in ["", "2026/13/22 06:33:17", "2026-11-22 06:33:17", "99999999999/1/1 0:0:0"] {
            assert_eq!(of_slashes(wrong), None, "{wrong}");
        }
        for wrong in ["22/Nov/2026:06:33:17", "22/Nov/2026:06:33:17 0000", "22/Nov/2026:06:33:17 +99999"] {
            assert_eq!(of_common_log(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn local_time_is_corrected_by_the_transaction_id() {
        let at = |local: &str, id: &str| correct(of_ctime(local).unwrap(), id).to_rfc3339();
        let id = "179532917338.638645";
        assert_eq!(at("Sun Nov 22 08:32:53 2026", id), "2026-11-22T06:32:53+00:00");
        assert_eq!(at("Sun Nov 22 12:17:54 2026", id), "2026-11-22T06:32:54+00:00");
        assert_eq!(at("Sun Nov 22 08:32:53 2026", "custom-id"), "2026-11-22T08:32:53+00:00");
        assert_eq!(at("Sun Nov  1 08:32:53 2026", id), "2026-11-01T08:32:53+00:00");
        let apache = "awr52sw-7TRu571VKQ5zGAAAAAE";
        assert_eq!(at("Sat Nov 28 07:57:14.254985 2026", apache), "2026-11-28T15:57:14.254985+00:00");
    }
}
