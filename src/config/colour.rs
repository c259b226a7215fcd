//! Colours, and whether text in them can be read (WCAG 2.2).

use std::fmt;
use std::str::FromStr;

/// An opaque colour in sRGB: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour(pub [u8; 3]);

/// A text that is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no colour")]
pub struct NotAColour;

impl Colour {
    /// The contrast that text of the usual size needs (WCAG 2.2, 1.4.3).
    pub const READABLE: f64 = 4.5;

    /// The contrast ratio of two colours, from 1 to 21 (WCAG 2.2, "contrast ratio").
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Mixed with as little of `with` as makes it readable on `background`.
    #[must_use]
    pub fn readable_on(self, background: Self, with: Self) -> Self {
        let steps = (0..=100).map(|percent| self.mixed(with, f64::from(percent) / 100.0));
        steps.into_iter().find(|mixed| mixed.contrast(background) >= Self::READABLE).unwrap_or(with)
    }

    fn mixed(self, with: Self, part: f64) -> Self {
        let Self([red, green, blue]) = self;
        let Self([other_red, other_green, other_blue]) = with;
        let mix = |one: u8, two: u8| {
            let mixed = f64::from(two).mul_add(part, f64::from(one) * (1.0 - part));
            // The nearest of the 256 values.
            (0..=u8::MAX).find(|value| f64::from(*value) + 0.5 > mixed).unwrap_or(u8::MAX)
        };
        Self([mix(red, other_red), mix(green, other_green), mix(blue, other_blue)])
    }

    /// The relative luminance (WCAG 2.2), from 0 to 1.
    fn luminance(self) -> f64 {
        let Self([red, green, blue]) = self;
        let linear = |channel: u8| {
            let value = f64::from(channel) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126f64.mul_add(linear(red), 0.7152f64.mul_add(linear(green), 0.0722 * linear(blue)))
    }
}

/// As in CSS: `#22577a` or `#257`.
impl FromStr for Colour {
    type Err = NotAColour;

    fn from_str(text: &str) -> Result<Self, NotAColour> {
        let digits = text.strip_prefix('#').ok_or(NotAColour)?;
        let values: Option<Vec<u8>> = digits
            .chars()
            .map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok()))
            .collect();
        let values = values.ok_or(NotAColour)?;
        let channels: Vec<u8> = match values.len() {
            3 => values.iter().map(|digit| (digit << 4) | digit).collect(),
            6 => values.chunks(2).map(|pair| pair.iter().fold(0, |all, digit| (all << 4) | digit)).collect(),
            _ => return Err(NotAColour),
        };
        channels.try_into().map(Self).map_err(|_| NotAColour)
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([red, green, blue]) = self;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHITE: Colour = Colour([255; 3]);
    const BLACK: Colour = Colour([0; 3]);

    #[test]
    fn colours_are_read_as_css_writes_them() {
        assert_eq!("#22577a".parse(), Ok(Colour([0x22, 0x57, 0x7a])));
        assert_eq!("#25F".parse::<Colour>().unwrap().to_string(), "#2255ff");
        for text in ["", "#", "22577a", "#22577", "#22577ag", "red", "#2257 a", "#+22577", "#ééé"] {
            assert_eq!(text.parse::<Colour>(), Err(NotAColour), "{text}");
        }
    }

    #[test]
    fn contrast_is_what_the_guidelines_calculate() {
        assert!((WHITE.contrast(BLACK) - 21.0).abs() < 1e-9);
        assert!((WHITE.contrast(WHITE) - 1.0).abs() < 1e-9);
        // The lightest grey that can be read on white.
        assert!((Colour([0x76; 3]).contrast(WHITE) - 4.54).abs() < 0.01);
        assert!(Colour([0x77; 3]).contrast(WHITE) < Colour::READABLE);
    }

    #[test]
    fn a_colour_is_changed_only_as_far_as_it_must_be() {
        let accent = Colour([0x22, 0x57, 0x7a]);
        assert_eq!(accent.readable_on(WHITE, BLACK), accent);
        let darker = Colour([0xff, 0xd4, 0x00]).readable_on(WHITE, BLACK);
        assert!((4.5..4.7).contains(&darker.contrast(WHITE)), "{darker}");
        let lighter = accent.readable_on(BLACK, WHITE);
        assert!((4.5..4.7).contains(&lighter.contrast(BLACK)), "{lighter}");
    }
}
