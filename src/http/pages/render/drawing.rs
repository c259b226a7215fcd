//! Draws a family as a line of generations: where each mark stands, and what it looks like.

use crate::app::timeline::Line;
use crate::clock::Timestamp;

/// The distance of two marks.
const STEP: u32 = 104;
/// Where the first mark stands.
const START: u32 = 56;

/// A family as a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Drawing {
    pub(in crate::http) width: u32,
    /// Where the line begins.
    pub(in crate::http) start: u32,
    /// Where the line ends.
    pub(in crate::http) end: u32,
    /// Whether the line goes on.
    pub(in crate::http) goes_on: bool,
    pub(in crate::http) marks: Vec<Mark>,
}

/// A mark on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::http) struct Mark {
    pub(in crate::http) x: u32,
    pub(in crate::http) shape: Shape,
    /// What stands above it: how many generations it is, if it is several.
    pub(in crate::http) label: String,
    /// The day and the time below it.
    pub(in crate::http) date: String,
    pub(in crate::http) time: String,
}

/// What a mark looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Shape {
    /// A ring: the beginning.
    Begin,
    /// A dot: one generation.
    Once,
    /// Dots: several generations.
    Run,
    /// A triangle: an old token was used, or the code again.
    Alarm,
    /// A diamond: another client was refused.
    Refused,
    /// A bar: the end.
    End,
}

impl Drawing {
    /// Draws the lines of a timeline. `goes_on` says whether more may follow.
    pub(in crate::http) fn of(lines: &[Line], goes_on: bool) -> Self {
        let places = (0u32..).map(|place| START.saturating_add(place.saturating_mul(STEP)));
        let marks: Vec<_> = lines.iter().zip(places).map(|(line, x)| Mark::of(line, x)).collect();
        let end = marks.last().map_or(START, |mark| mark.x);
        let room = if goes_on { START.saturating_add(40) } else { START };
        Self { width: end.saturating_add(room), start: START, end, goes_on, marks }
    }
}

impl Mark {
    fn of(line: &Line, x: u32) -> Self {
        let shape = match line.kind {
            "signed_in" | "began" => Shape::Begin,
            "reuse_detected" | "code_reuse_detected" => Shape::Alarm,
            "foreign_client_refused" => Shape::Refused,
            "ended" => Shape::End,
            _ if line.count > 1 => Shape::Run,
            _ => Shape::Once,
        };
        let label = if line.count > 1 { format!("×{}", line.count) } else { String::new() };
        let (date, time) = day_and_time(line.at);
        Self { x, shape, label, date, time }
    }
}

/// The day and the time of a moment, in UTC.
fn day_and_time(at: Timestamp) -> (String, String) {
    let text = at.to_string();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    (part(0..10), part(11..16))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: &'static str, count: u64) -> Line {
        let at = Timestamp::from_seconds(4_102_444_800);
        Line { kind, at, last: at, count, text: String::new() }
    }

    #[test]
    fn each_line_of_a_timeline_is_a_mark_in_its_place() {
        let lines = [line("signed_in", 1), line("refreshed", 1), line("refreshed", 1234), line("ended", 1)];
        let Drawing { width, start, end, goes_on, marks } = Drawing::of(&lines, false);
        assert_eq!((width, start, end, goes_on), (424, 56, 368, false));
        let drawn: Vec<_> = marks.iter().map(|mark| (mark.x, mark.shape, mark.label.as_str())).collect();
        let (run, end) = ((264, Shape::Run, "×1234"), (368, Shape::End, ""));
        assert_eq!(drawn, [(56, Shape::Begin, ""), (160, Shape::Once, ""), run, end]);
        assert_eq!((marks[0].date.as_str(), marks[0].time.as_str()), ("2100-01-01", "00:00"));
    }

    #[test]
    fn a_line_that_goes_on_has_room_for_that_and_an_empty_one_is_drawn() {
        assert_eq!(Drawing::of(&[line("signed_in", 1)], true).width, 152);
        assert_eq!(Drawing::of(&[], true).marks, []);
    }
}
