//! Text for a terminal: printable, cut to its width, coloured where that is welcome.

use parapet_engine::trace::Excerpt;
use std::io::IsTerminal;

/// How to write.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    colour: bool,
    /// Columns; `None` where nothing is to be cut.
    width: Option<usize>,
}

/// Colours of the terminal's own palette.
#[derive(Debug, Clone, Copy)]
pub enum Tone {
    /// Blocked.
    Bad,
    /// Passed.
    Good,
    /// Noteworthy.
    Warning,
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
    /// The part that matched.
    Hit,
}

impl Style {
    /// Plain text of any width.
    pub const PLAIN: Style = Style { colour: false, width: None };

    /// As standard output wants it: coloured and cut only on a terminal, and not coloured where the
    /// environment has `NO_COLOR` or a dumb terminal.
    pub fn of_stdout() -> Style {
        if !std::io::stdout().is_terminal() {
            return Style::PLAIN;
        }
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0).max(40));
        Style { colour: !set("NO_COLOR") && !is_dumb, width }
    }

    /// Text in a colour.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match tone {
            Tone::Bad => "1;31",
            Tone::Good => "1;32",
            Tone::Warning => "33",
            Tone::Strong => "1",
            Tone::Faint => "2",
            Tone::Hit => "1;33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }

    /// Columns that are left beside others, at least a few.
    pub fn beside(self, taken: usize) -> usize {
        self.width.map_or(usize::MAX, |width| width.saturating_sub(taken).max(16))
    }

    /// A value in quotes, cut to a number of columns, with what hit painted if `span` lies in it.
    pub fn value(self, value: &Excerpt, span: Option<(usize, usize)>, columns: usize) -> String {
        let tail = if value.is_cut() { format!("… ({} bytes)", value.length) } else { String::new() };
        let lead = if value.start > 0 { "…" } else { "" };
        let room = columns.saturating_sub(2 + tail.chars().count() + lead.chars().count());
        let inside = |at: usize| at.saturating_sub(value.start).min(value.bytes.len());
        let (from, to) = span.map_or((0, 0), |(start, end)| (inside(start), inside(end)));
        let piece = |from: usize, to: usize| printable(value.bytes.get(from..to).unwrap_or_default());
        let (before, hit, after) = (piece(0, from), piece(from, to), piece(to, value.bytes.len()));
        let (before, hit, after) = fit(before, hit, after, room);
        format!("\"{lead}{before}{}{after}\"{tail}", self.paint(Tone::Hit, &hit))
    }
}

/// Cuts three pieces to a number of characters, the middle one last.
fn fit(before: String, hit: String, after: String, room: usize) -> (String, String, String) {
    let count = |text: &str| text.chars().count();
    if count(&before) + count(&hit) + count(&after) <= room {
        return (before, hit, after);
    }
    let hit = cut(&hit, room);
    let rest = room - count(&hit);
    let before_room = count(&before).min(rest.saturating_sub(count(&after).min(rest / 2)));
    let before = if count(&before) > before_room { cut_front(&before, before_room) } else { before };
    let after = cut(&after, rest.saturating_sub(count(&before)));
    (before, hit, after)
}

/// Cuts a text to a number of characters.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    if most == 0 { kept } else { format!("{kept}…") }
}

/// The same from the front.
fn cut_front(text: &str, most: usize) -> String {
    let skip = (text.chars().count() + 1).saturating_sub(most);
    let kept: String = text.chars().skip(skip).collect();
    if most == 0 { String::new() } else { format!("…{kept}") }
}

/// Bytes as text that does nothing to a terminal: what is not printable is escaped.
pub fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                plain if !plain.is_control() && !is_invisible(plain) => text.push(plain),
                ascii if ascii.is_ascii() => text.push_str(&format!("\\x{:02x}", u32::from(ascii))),
                other => text.push_str(&format!("\\u{{{:x}}}", u32::from(other))),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// Characters that change how others appear, or cannot be seen.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excerpt(text: &str) -> Excerpt {
        Excerpt { bytes: text.into(), start: 0, length: text.len() }
    }

    #[test]
    fn nothing_reaches_the_terminal_that_acts_on_it() {
        assert_eq!(printable(b"a\x1b[31m\n\xff\x7f"), "a\\x1b[31m\\n\\xff\\x7f");
        assert_eq!(printable("é\u{202e}\u{9b}x".as_bytes()), "é\\u{202e}\\u{9b}x");
    }

    #[test]
    fn values_are_cut_around_what_hit() {
        let style = Style { colour: false, width: Some(80) };
        let value = excerpt("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaHITbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
        let shown = style.value(&value, Some((30, 33)), 20);
        assert!(shown.contains("HIT") && shown.chars().count() <= 20, "{shown}");
        assert_eq!(style.value(&excerpt("short"), None, 20), "\"short\"");
        let long = Excerpt { bytes: b"xneedley".to_vec(), start: 4999, length: 6000 };
        assert_eq!(style.value(&long, Some((5000, 5006)), usize::MAX), "\"…xneedley\"… (6000 bytes)");
        let painted = Style { colour: true, width: None }.value(&long, Some((5000, 5006)), usize::MAX);
        assert!(painted.contains("x\x1b[1;33mneedle\x1b[0my"), "{painted}");
    }

    #[test]
    fn any_width_is_survived() {
        for columns in 0..40 {
            for span in [None, Some((0, 2)), Some((3, 9)), Some((50, 60))] {
                let shown = Style::PLAIN.value(&excerpt("0123456789012345"), span, columns);
                assert!(shown.chars().count() <= columns.max(3), "{columns} {shown}");
            }
        }
    }
}
