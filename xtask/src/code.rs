// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rust source text as tokens, as far as searching for words needs it.

/// The words and punctuation of Rust source: comments, strings, characters, lifetimes and
/// white space are gone, each other character that is not part of a word is a token.
pub(crate) fn tokens(source: &str) -> Vec<Token<'_>> {
    let bytes = source.as_bytes();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            [b'/', b'/', ..] => until(rest, b"\n"),
            [b'/', b'*', ..] => block_comment(rest),
            [b'"', ..] => 1 + quoted(&rest[1..], b'"'),
            [b'\'', ..] => character_or_lifetime(rest),
            [first, ..] if is_word(*first) => {
                let length = rest.iter().take_while(|byte| is_word(**byte)).count();
                match literal_after(&rest[..length], &rest[length..]) {
                    Some(literal) => length + literal,
                    None => {
                        tokens.push(Token {
                            text: &source[at..at + length],
                            line,
                        });
                        length
                    }
                }
            }
            [first, ..] if first.is_ascii_whitespace() => 1,
            _ => {
                tokens.push(Token {
                    text: &source[at..at + 1],
                    line,
                });
                1
            }
        };
        line += rest[..length].iter().filter(|byte| **byte == b'\n').count();
        at += length;
    }
    tokens
}

/// A word or a punctuation mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    pub(crate) line: usize,
}

/// The length of a string literal begun by `prefix` (as in `r#"…"#` or `b"…"`), if `rest` is one.
fn literal_after(prefix: &[u8], rest: &[u8]) -> Option<usize> {
    if matches!(prefix, b"r" | b"br" | b"cr") {
        let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
        if rest.get(hashes) == Some(&b'"') {
            let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let body = hashes + 1;
            return Some((body + until(&rest[body..], &end) + end.len()).min(rest.len()));
        }
    }
    match (prefix, rest) {
        (b"b" | b"c", [b'"', ..]) => Some(1 + quoted(&rest[1..], b'"')),
        (b"b", [b'\'', ..]) => Some(1 + quoted(&rest[1..], b'\'')),
        _ => None,
    }
}

/// The length up to and with the closing `quote`.
fn quoted(text: &[u8], quote: u8) -> usize {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn character_or_lifetime(text: &[u8]) -> usize {
    match text {
        [_, b'\\', ..] => 1 + quoted(&text[1..], b'\''),
        [_, first, ..] => {
            // One character of any width and a quote: a literal. Otherwise a lifetime or label.
            let width = match first {
                0x00..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xff => 4,
            };
            if text.get(1 + width) == Some(&b'\'') {
                return width + 2;
            }
            1 + text[1..].iter().take_while(|byte| is_word(**byte)).count()
        }
        _ => 1,
    }
}

fn block_comment(text: &[u8]) -> usize {
    let (mut at, mut depth) = (2, 1);
    while at < text.len() && depth > 0 {
        match text[at..] {
            [b'/', b'*', ..] => (at, depth) = (at + 2, depth + 1),
            [b'*', b'/', ..] => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    at
}

fn until(text: &[u8], end: &[u8]) -> usize {
    text.windows(end.len())
        .position(|window| window == end)
        .unwrap_or(text.len())
}

/// Letters, digits, the underscore, and every byte of a character beyond ASCII.
fn is_word(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphanumeric() || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::tokens;

    fn text(source: &str) -> String {
        tokens(source)
            .iter()
            .map(|token| token.text)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn comments_are_not_code() {
        assert_eq!(text("a // unsafe\nb"), "a b");
        assert_eq!(text("a /* unsafe /* nested */ unsafe */ b"), "a b");
        assert_eq!(text("//! unsafe"), "");
        assert_eq!(text("a /* unsafe"), "a");
    }

    #[test]
    fn literals_are_not_code() {
        assert_eq!(text(r#"a("unsafe \" unsafe") b"#), "a ( ) b");
        assert_eq!(text(r##"r#"unsafe " unsafe"# b"##), "b");
        assert_eq!(text("b\"unsafe\" c\"unsafe\" br\"\\\" d"), "d");
        assert_eq!(text(r#"b'\'' '\'' '\\' '\u{1f600}' 'x' '"' 'ö' e"#), "e");
    }

    #[test]
    fn lifetimes_do_not_open_a_character() {
        assert_eq!(text("&'a str, 'static; unsafe"), "& str , ; unsafe");
        assert_eq!(text("'outer: loop { break 'outer }"), ": loop { break }");
    }

    #[test]
    fn words_are_whole() {
        assert_eq!(
            text("unsafe_code notunsafe unsafe{}"),
            "unsafe_code notunsafe unsafe { }"
        );
    }

    #[test]
    fn lines_are_counted_through_everything() {
        let source = "/*\n*/ \"\n\"\nunsafe";
        assert_eq!(tokens(source).last().map(|token| token.line), Some(4));
    }
}
