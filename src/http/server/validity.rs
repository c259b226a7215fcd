//! Reads a certificate's period of validity from its DER (RFC 5280 §4.1.2.5). Verifying the certificate is the client's
//! job.

use std::time::Duration;

use crate::clock::Timestamp;

/// A certificate's period of validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first moment, in milliseconds since the Unix epoch.
    pub from: Timestamp,
    /// The end, in milliseconds since the Unix epoch.
    pub until: Timestamp,
}

const SEQUENCE: u8 = 0x30;
const EXPLICIT_VERSION: u8 = 0xA0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

impl Validity {
    /// The period of a certificate; `None` if it can't be parsed.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = value(certificate, SEQUENCE)?;
        let (mut fields, _) = value(certificate, SEQUENCE)?;
        if fields.first() == Some(&EXPLICIT_VERSION) {
            fields = item(fields)?.2;
        }
        // Skips the serial number, the signature's algorithm and the issuer.
        for _ in 0..3 {
            fields = item(fields)?.2;
        }
        let (times, _) = value(fields, SEQUENCE)?;
        let (tag, from, rest) = item(times)?;
        let from = time(tag, from)?;
        let (tag, until, _) = item(rest)?;
        Some(Self { from, until: time(tag, until)? })
    }

    /// How long it is still valid at `now`; zero if it has expired.
    #[must_use]
    pub fn left(&self, now: Timestamp) -> Duration {
        self.until.since(now)
    }

    /// Whether it should have been renewed by `now`: less than a third of its life is left, and less than two weeks.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        const LATE: Duration = Duration::from_hours(14 * 24);
        let third = self.until.since(self.from).checked_div(3).unwrap_or_default();
        self.left(now) < third.min(LATE)
    }
}

/// The tag and contents of the first item, and the bytes after it.
fn item(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7F => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(*first & 0x0F))?;
            let len = digits
                .iter()
                .try_fold(0_usize, |len, digit| len.checked_mul(256)?.checked_add(usize::from(*digit)));
            (len?, rest)
        }
        _ => return None,
    };
    let (contents, rest) = rest.split_at_checked(len)?;
    Some((*tag, contents, rest))
}

fn value(bytes: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, contents, rest) = item(bytes)?;
    (tag == wanted).then_some((contents, rest))
}

/// `YYMMDDHHMMSSZ` up to 2049, or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let digits = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = digits.split_at_checked(2)?;
            let century = if year < "50" { "20" } else { "19" };
            (format!("{century}{year}"), rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = digits.split_at_checked(4)?;
            (year.to_owned(), rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at.checked_add(2)?);
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    let text = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let time = humantime::parse_rfc3339(&text).ok()?;
    let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_seconds(since.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_time_are_read() {
        let at = |text: &str| {
            let time = humantime::parse_rfc3339(text).unwrap();
            let since = time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
            Some(Timestamp::from_seconds(since.as_secs()))
        };
        assert_eq!(time(UTC_TIME, b"261127194737Z"), at("2026-11-27T19:47:37Z"));
        assert_eq!(time(GENERALIZED_TIME, b"20501231235959Z"), at("2050-12-31T23:59:59Z"));
        for broken in [&b"261127194737"[..], b"2611271947Z", b"", b"2611271947xxZ", b"261327194737Z"] {
            assert_eq!(time(UTC_TIME, broken), None);
        }
    }

    #[test]
    fn a_certificate_tells_when_it_is_good_and_half_a_one_does_not() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let der = made.cert.der();
        // rcgen's own: from 1975 to 4096.
        let validity = Validity::of(der).unwrap();
        assert!(validity.until > Timestamp::from_seconds(60_000_000_000));
        for cut in 0..der.len().min(120) {
            assert_eq!(Validity::of(&der[..cut]), None, "{cut}");
        }
    }

    #[test]
    fn it_is_due_when_little_of_it_is_left() {
        let day = |days: u64| Timestamp::from_seconds(days * 86_400);
        let ninety = Validity { from: day(0), until: day(90) };
        assert!(!ninety.is_due(day(75)) && ninety.is_due(day(77)) && ninety.is_due(day(91)));
        let six = Validity { from: day(0), until: day(6) };
        assert!(!six.is_due(day(3)) && six.is_due(day(5)));
        assert_eq!(ninety.left(day(91)), Duration::ZERO);
    }
}
